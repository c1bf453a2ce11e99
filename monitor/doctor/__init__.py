"""`trace-monitor doctor`: a team's first contact with its own tenant.

Nobody who writes this program can reach that tenant, and the public record of the services leaves questions open. So each is asked
where it can be answered, and each answer is turned into words, and into a setting where there is one.

    probe            asks: an ordinary pass of the checks, and a dozen requests that go beyond it
    snapshot         what is known by then, as one value
    questions.toml   every question, and every answer that it can get, in words
    about_*          which of the answers it is: one pure function of a snapshot for each question
    report           answers, the verdict, suggested settings, as one object
    recording        the exchanges for a bug report, by an allow-list
"""
