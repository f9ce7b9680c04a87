package e2e

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"strings"
	"testing"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
)

// mysqlEnv names the URL of a server on which databases may be made.
const mysqlEnv = "PIPEWORKS_TEST_MYSQL"

// freshDatabase makes a database that is dropped when the test has ended, and
// returns its URL, password and all.
func freshDatabase(t testing.TB) string {
	t.Helper()
	name := "e2e_" + strings.ToLower(rand.Text())
	server := os.Getenv(mysqlEnv)
	onServer(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, server, "DROP DATABASE "+name) })
	head, options, hasOptions := strings.Cut(server, "?")
	url := head[:strings.LastIndexByte(head, '/')+1] + name
	if hasOptions {
		url += "?" + options
	}
	return url
}

// onServer runs statements on one connection.
func onServer(t testing.TB, url string, statements ...string) {
	t.Helper()
	u, err := dburl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context()) // that one has ended when the test cleans up
	conn, err := database.Open(ctx, u, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := record.NewWriter(io.Discard, record.JSONL, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := database.Run(ctx, conn, []byte(s), rows, nil); err != nil {
			t.Fatal(err)
		}
	}
}
