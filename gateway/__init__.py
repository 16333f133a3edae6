"""The field gateway: reports of city-management inspectors, from handset to PostgreSQL, each once.

An acknowledgement sent by this program means one thing: the report is committed in PostgreSQL.
"""

__version__ = "0.1.0"
