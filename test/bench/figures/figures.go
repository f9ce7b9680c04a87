package main

// figure is a chart of comparisons.
type figure struct {
	name, title string
	comparisons []comparison
}

// comparison is a bar: the time of one command divided by that of its peer, in
// the same round.
type comparison struct {
	label    string
	file     string // test/bench/results/FILE-DATE.txt
	table    int    // of the file, from 1
	of, peer string // commands of the table
}

var figures = []figure{
	{"tools", "Time taken, where the peer takes 1", []comparison{
		{"gensql: CSV into INSERTs, beside sqlite3", "gensql", 1, "gensql", "sqlite3"},
		{"gensql: JSON into INSERTs, beside jq -c alone", "gensql", 2, "gensql", "jq"},
		{"sqlpipe: 100,000 INSERTs, beside mariadb", "sqlpipe", 1, "sqlpipe", "mariadb"},
		{"sqlpipe: a million rows out, beside mariadb", "sqlpipe", 4, "tsv", "mariadb"},
		{"sqlpipe: a million rows in, beside mariadb-import", "sqlpipe", 5, "load", "import"},
		{"crawl: 5,000 pages, beside curl --parallel", "crawl", 1, "crawl", "curl"},
		{"crawl: 5,000 pages, beside wget2", "crawl", 1, "crawl", "wget2"},
		{"crawl: titles and links, beside Colly", "crawl", 2, "crawl", "colly"},
		{"fifomerge: 8 writers, beside parallel", "fifomerge-merge", 1, "fifomerge", "parallel"},
		{"fifomerge: a process a question, beside mariadb", "roundtrip", 4, "call", "mariadb"},
		{"relay: lines of 4 KiB through TCP, beside socat", "relay", 2, "tcp", "tcp-socat"},
	}},
	{"gensql", "gensql: time taken, where the peer takes 1", []comparison{
		{"a million rows of CSV, beside sqlite3", "gensql", 1, "gensql", "sqlite3"},
		{"a million JSON records, beside jq -c alone", "gensql", 2, "gensql", "jq"},
	}},
	{"sqlpipe", "sqlpipe: time taken, where the mariadb clients take 1", []comparison{
		{"100,000 INSERTs, unix socket", "sqlpipe", 1, "sqlpipe", "mariadb"},
		{"100,000 INSERTs, TCP", "sqlpipe", 2, "sqlpipe", "mariadb"},
		{"10,000 SELECTs", "sqlpipe", 3, "sqlpipe", "mariadb"},
		{"a million rows out, TSV", "sqlpipe", 4, "tsv", "mariadb"},
		{"a million rows out, CSV", "sqlpipe", 4, "csv", "mariadb"},
		{"a million rows out, JSON Lines", "sqlpipe", 4, "jsonl", "mariadb"},
		{"a million rows in, beside mariadb-import", "sqlpipe", 5, "load", "import"},
		{"SELECT 1, with start and end", "sqlpipe", 6, "sqlpipe", "mariadb"},
	}},
	{"crawl", "crawl: time taken for 5,001 pages, where the peer takes 1", []comparison{
		{"fetching, beside net/http", "crawl", 1, "crawl", "net/http"},
		{"fetching, beside curl --parallel", "crawl", 1, "crawl", "curl"},
		{"fetching, beside wget2", "crawl", 1, "crawl", "wget2"},
		{"titles and links, beside Colly", "crawl", 2, "crawl", "colly"},
		{"titles and links, beside goquery", "crawl", 2, "crawl", "goquery"},
		{"a selector that needs the tree, beside goquery", "crawl", 3, "crawl", "goquery"},
	}},
	{"fifomerge", "fifomerge: time taken, where the peer takes 1", []comparison{
		{"8 writers, lines of 100 bytes, beside parallel", "fifomerge-merge", 1, "fifomerge", "parallel"},
		{"8 writers, lines of 1,000 bytes, beside parallel", "fifomerge-merge", 2, "fifomerge", "parallel"},
		{"8 writers, lines of 10,000 bytes, beside parallel", "fifomerge-merge", 3, "fifomerge", "parallel"},
		{"8 writers, lines of 60,000 bytes, beside parallel", "fifomerge-merge", 4, "fifomerge", "parallel"},
		{"8 writers, kept on disk, beside cat one by one", "fifomerge-merge", 1, "spool", "cat"},
		{"10,000 questions, beside Go's driver", "roundtrip", 1, "each", "direct"},
		{"the same by 8 clients at once", "roundtrip", 2, "each", "direct"},
		{"a process a question, beside mariadb -e", "roundtrip", 4, "call", "mariadb"},
	}},
	{"relay", "relay: time taken by a whole line, where the peer takes 1", []comparison{
		{"lines of 64 bytes through a unix socket, beside socat", "relay", 1, "unix", "unix-socat"},
		{"lines of 4 KiB, beside socat", "relay", 2, "unix", "unix-socat"},
		{"lines of 4 KiB through TCP, beside socat", "relay", 2, "tcp", "tcp-socat"},
		{"the same through TCP, beside cat in a plain pipe", "relay", 2, "tcp", "cat"},
		{"through a unix socket, beside cat", "relay", 2, "unix", "cat"},
		{"through a named pipe, beside cat", "relay", 2, "fifo", "cat"},
		{"through shared memory, beside cat", "relay", 2, "shm", "cat"},
		{"through shared memory, as bytes, beside cat", "relay", 2, "shm-stream", "cat"},
		{"through RabbitMQ, beside amqp-publish and -consume", "relay-amqp", 3, "relay", "amqp-tools"},
	}},
}
