module token-server-bench

go 1.19
