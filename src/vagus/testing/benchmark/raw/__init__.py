"""The other lanes: the same job written by hand on the same driver, at its best, so that there is a ceiling to see."""
