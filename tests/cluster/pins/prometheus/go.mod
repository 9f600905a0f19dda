module kulta.io/tests/cluster/prometheus

go 1.26.0
