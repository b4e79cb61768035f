"""What all endpoints share: connections, problem documents, paging, rates, request ids."""
