"""What is wanted of groups, runs and members while traffic flows, who said so, and how everybody hears of it?"""
