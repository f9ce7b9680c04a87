package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pipeworks/internal/database"
	"pipeworks/internal/dburl"
	"pipeworks/internal/record"
)

// Dumps of others do to a server what they do by the mariadb client: its log
// has the same statements, and then mariadb-dump the same to say. Packs, which
// leave other marks in the log, are for the dump of that.
func TestDumpsAsTheClient(t *testing.T) {
	socket := os.Getenv("PIPEWORKS_TEST_MYSQL_SOCKET")
	if socket == "" {
		t.Skip("only on the server of scripts/mariadb: the dumps drop and make the database sakila, and its general log is turned on")
	}
	for _, program := range []string{"mariadb", "mariadb-dump"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	to := targets(t)[1]
	u, err := dburl.Parse(os.Getenv(mysqlEnv))
	if err != nil {
		t.Fatal(err)
	}
	client := fmt.Sprintf("--no-defaults --socket='%s' --user='%s' --default-character-set=utf8mb4", socket, u.User)
	t.Setenv("MYSQL_PWD", string(u.Password))
	log := openLog(t, u)
	for _, files := range [][]string{{"sakila-mv-schema.sql", "sakila-mv-data.sql"}, {"jooq-mysql-sakila-schema.sql"}} {
		paths := ""
		for _, name := range files {
			paths += " '" + sharedPath(t, name) + "'"
		}
		var statements [2][]string
		var dumps [2]string
		for i, line := range []string{
			"{ echo 'DO \"dump\";'; cat %s; } | mariadb " + client + " --comments",
			"echo 'DO \"dump\";' | sqlpipe --no-pack -o /dev/null - %s",
		} {
			log.exec(t, "DROP DATABASE IF EXISTS sakila", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = ON")
			to.shell(t, fmt.Sprintf(line, paths), "")
			log.exec(t, "SET GLOBAL general_log = OFF")
			statements[i] = log.statements(t)
			dumps[i] = to.shell(t, "mariadb-dump "+client+" --databases sakila --routines --events --skip-dump-date", "")
		}
		if len(statements[0]) != len(statements[1]) || len(statements[0]) < 40 {
			t.Errorf("%v: mariadb sent %d statements, sqlpipe %d", files, len(statements[0]), len(statements[1]))
		}
		for j := range min(len(statements[0]), len(statements[1])) {
			if a, b := statements[0][j], statements[1][j]; a != b {
				t.Errorf("%v: statement %d:\nmariadb %.300s\nsqlpipe %.300s", files, j+1, a, b)
				break
			}
		}
		if dumps[0] != dumps[1] || len(dumps[0]) < 10000 {
			t.Errorf("%v: mariadb-dump says something else", files)
		}
		// What mariadb-dump says is a dump, too, with a line that older clients
		// do not know: the sandbox comment.
		log.exec(t, "DROP DATABASE sakila")
		to.shell(t, "sqlpipe", dumps[0])
		if again := to.shell(t, "mariadb-dump "+client+" --databases sakila --routines --events --skip-dump-date", ""); again != dumps[0] {
			t.Errorf("%v: the dump of the dump is another", files)
		}
	}
}

// generalLog is the server's log, which one test at a time has for itself.
type generalLog struct {
	conn database.Conn
}

func openLog(t *testing.T, u dburl.URL) *generalLog {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // that one has ended when the test cleans up
	conn, err := database.Open(ctx, u, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &generalLog{conn}
	l.exec(t, "SELECT GET_LOCK('general log', 600)", "SET GLOBAL log_output = 'TABLE'")
	t.Cleanup(func() {
		l.exec(t, "SET GLOBAL general_log = OFF", "TRUNCATE mysql.general_log", "DROP DATABASE IF EXISTS sakila")
		conn.Close()
	})
	return l
}

// exec runs statements and returns the rows, as text.
func (l *generalLog) exec(t *testing.T, statements ...string) string {
	t.Helper()
	var out strings.Builder
	null := "NULL"
	rows, err := record.NewWriter(&out, record.TSV, record.WriterOptions{NullAs: &null, NoHeader: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := database.Run(context.WithoutCancel(t.Context()), l.conn, []byte(s), rows, nil); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := rows.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// statements are those of the session that began with DO "dump": as both send
// them, but without comments in front and what only one of them asks for
// itself.
func (l *generalLog) statements(t *testing.T) []string {
	t.Helper()
	rows := l.exec(t, `SELECT command_type, argument FROM mysql.general_log
		WHERE thread_id = (SELECT thread_id FROM mysql.general_log WHERE argument = 'DO "dump"')`)
	var statements []string
	begun := false
	for row := range strings.Lines(rows) {
		kind, text, _ := strings.Cut(strings.TrimSuffix(row, "\n"), "\t")
		text = withoutComments(text)
		switch {
		case text == `DO "dump"`:
			begun = true
		case !begun, text == "", text == "SELECT DATABASE()", text == "SELECT @@sql_mode":
		case kind == "Init DB":
			statements = append(statements, "USE "+text)
		case kind == "Query":
			statements = append(statements, text)
		}
	}
	return statements
}

// withoutComments takes the comments and the space in front off a text, which
// is escaped.
func withoutComments(text string) string {
	for {
		text = strings.TrimLeft(text, " ")
		end := ""
		switch {
		case strings.HasPrefix(text, `\n`), strings.HasPrefix(text, `\t`):
			text = text[2:]
			continue
		case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "#"):
			end = `\n`
		case strings.HasPrefix(text, "/*") && !strings.HasPrefix(text, "/*!"):
			end = "*/"
		default:
			return text
		}
		_, rest, ok := strings.Cut(text, end)
		if !ok {
			return ""
		}
		text = rest
	}
}
