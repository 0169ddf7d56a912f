"""What every route shares: strict requests, answers, problems, ids, pages, uploads, limits, and the access log."""
