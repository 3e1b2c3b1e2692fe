"""The site of the docs, made of files that also read well on their own.

`pages` lays them out for MkDocs, `reference` adds the docstrings, `python -m docs.site`
builds. The plan of the site, its `nav`, stands in `mkdocs.yml`.
"""
