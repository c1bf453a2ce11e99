"""`trace-monitor doctor`: a team's first contact with its own tenant.

Nobody who writes this program can reach that tenant, and the public record of the services leaves questions open. So each is asked
where it can be answered, and each answer is turned into words, and into a setting where there is one.

    visit        asks: the checks of a single pass, and what goes beyond them
    ear          overhears the answers, for what adapters drop
    seen         what was seen, as one value
    questions    a table: each question judges what was seen, by a pure function
    report       answers, the verdict, suggested settings, as one object
    recording    redacted answers for a bug report
"""
