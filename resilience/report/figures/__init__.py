"""Tables -> plotly figures, one module per topic; `theme` holds colours, type, axes and how a label is made safe.

Only here is plotly known. A figure takes a table and returns a figure: it computes nothing, and colour is never the only
sign: shapes, dashes and words repeat it.
"""
