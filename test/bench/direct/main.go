// Command direct is what a program does that asks the database itself: the
// peer of a round trip through named pipes.
//
//	direct [-fresh] CLIENTS QUESTIONS
//
// Each client asks QUESTIONS times for one row over a connection of its own,
// or with -fresh over a new one each time. The server is
// $PIPEWORKS_TEST_MYSQL.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"pipeworks/internal/dburl"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "direct:", err)
		os.Exit(1)
	}
}

func run() error {
	fresh := flag.Bool("fresh", false, "a new connection for each question")
	flag.Parse()
	clients, err := strconv.Atoi(flag.Arg(0))
	if err != nil {
		return fmt.Errorf("usage: direct [-fresh] CLIENTS QUESTIONS")
	}
	questions, err := strconv.Atoi(flag.Arg(1))
	if err != nil {
		return fmt.Errorf("usage: direct [-fresh] CLIENTS QUESTIONS")
	}
	u, err := dburl.Parse(os.Getenv("PIPEWORKS_TEST_MYSQL"))
	if err != nil {
		return err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = u.User, string(u.Password), "tcp", u.Address(), u.Database
	if u.Host == "" {
		cfg.Net = "unix"
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(clients)
	if *fresh {
		db.SetMaxIdleConns(-1)
	}
	done := make(chan error)
	for range clients {
		go func() { done <- ask(db, questions) }()
	}
	for range clients {
		err = errors.Join(err, <-done)
	}
	return errors.Join(err, db.Close())
}

func ask(db *sql.DB, questions int) error {
	for i := range questions {
		var id, name string
		row := db.QueryRowContext(context.Background(), fmt.Sprintf("SELECT id, name FROM roundtrip WHERE id = %d", i%1000+1))
		if err := row.Scan(&id, &name); err != nil {
			return err
		}
	}
	return nil
}
