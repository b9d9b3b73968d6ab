"""Commands for whoever writes an app: to begin with, to run it meanwhile, to type less."""
