"""What can be evaluated besides omma's own models (`omma.model.answering.ModelAnswerer`): each is an `Answerer`.

`openai_chat`: any endpoint that speaks OpenAI's chat protocol. `gemini`: Google's, by its own client. `remote`: what both
share (concurrency, retries, cost). `cache`: replies on disk, paid for once. `any_transformers`: any image-text-to-text model of
`transformers`. `tesseract`: the program of that name, to read beside. `scripted`: models whose every score is known beforehand.
"""
