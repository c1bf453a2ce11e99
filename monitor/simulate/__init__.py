"""What would be told, to whom and when: inputs on a virtual clock, through the core, printed as Slack shows it.

timeline   what happens, read from a file
world      what the checks of a target find meanwhile, as inputs
story      inputs are applied, what is due is delivered to a Slack in memory; of a timeline, and of what was recorded
output     the story for people and for programs
"""
