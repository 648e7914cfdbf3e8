"""Several evaluated models side by side: paired tests between them, ranks, and a site that shows all of it.

    entries = read_entries(["runs/one", "runs/two"])      # results.json and the records beside it, checked
    found = versus(entries)                                # pairs, ranks, and what it would take to separate two models
    write_site(entries, found, playground_pictures, Path("site"))

`entries`: what is read and refused. `versus`: the statistics. `rows`: the numbers of the table. `plots`: the radar.
`pictures`: where the pictures of questions come from. `mistakes`: wrong answers, page by page. `site`: the pages.
"""
