"""How far a score can be trusted: does the model know when it is wrong, and does it stay with its answer?

`calibration`: confidence against outcome. `stability`: the same question again, in other words, of other pictures.
`pairs`: two models on the same items. `ranking`: several models at once. `figures`: what results.json says of the first two.
"""
