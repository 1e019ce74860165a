"""HTTP as a client: smoke suite, loss meter, load generator, over one parser without hidden retries."""
