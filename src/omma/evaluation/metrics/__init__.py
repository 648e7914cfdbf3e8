"""What a reply is worth, one family of metrics a module; each function says its formula, source and range.

`text`: exact match. `vqa`: agreement with ten people. `anls`, `error_rates`: what was read. `relaxed`: numbers.
`captioning`: BLEU, ROUGE-L, CIDEr-D. `multiple_choice`: which option a reply names, circular evaluation. `yes_no`: POPE's,
MME's and HallusionBench's scores. `hallucination`: POPE's questions, CHAIR, AMBER. `boxes`: grounding, pointing, detection.
`masks`: segmentation.
"""
