"""What would be notified, to whom and when: inputs on a virtual clock, through the core, printed as Slack shows it.

timeline           what happens, read from a file
effects            what breaks then, and what that does
simulated_target   what the checks of a target find meanwhile, as inputs
slack              the messages, and what may be wrong with Slack
simulation         inputs are applied, and what is due is delivered
simulate, replay   the simulation of a timeline, and of what was recorded
output             the report for people and for programs
"""
