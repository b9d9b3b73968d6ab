"""How large is a body, and where is it when it is too large to travel?"""
