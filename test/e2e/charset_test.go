package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pipeworks/internal/dburl"
)

// Whatever the connection's character set and sql_mode are, in sqlpipe and in
// the stock client, texts and bytes arrive as they were, and no statement
// becomes two.
func TestCharsets(t *testing.T) {
	if os.Getenv(mysqlEnv) == "" {
		t.Skip(mysqlEnv + " is not set")
	}
	to := &target{url: freshDatabase(t)}
	records, want := charsetValues(t, 400)
	for i, charset := range []string{"utf8mb4", "latin1", "gbk", "sjis", "cp932", "binary"} {
		for j, mode := range []string{"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"} {
			for client, line := range map[string]string{
				"sqlpipe": fmt.Sprintf(`{ echo "SET character_set_client=%s, character_set_connection=%[1]s, sql_mode='%s';"; cat; } | sqlpipe`, charset, mode),
				"mariadb": stockClient(t, to, charset, mode),
			} {
				name := strings.Join([]string{client, charset, mode}, " ")
				if line == "" {
					continue
				}
				table := fmt.Sprintf("%s%d_%d", client, i, j)
				to.run(t, "echo 'CREATE TABLE "+table+" (id INT PRIMARY KEY, v LONGTEXT CHARACTER SET utf8mb4, b LONGBLOB);'", "")
				to.shell(t, "gensql insert --types b=hex "+table+" | "+line, records)
				got := to.shell(t, "sqlpipe -f tsv --no-header -e 'SELECT HEX(v), HEX(b) FROM "+table+" ORDER BY id'", "")
				lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
				if len(lines) != len(want) {
					t.Errorf("%s: %d rows, want %d", name, len(lines), len(want))
					continue
				}
				for n := range want {
					if lines[n] != want[n] {
						t.Errorf("%s: got %.100s, want %.100s", name, lines[n], want[n])
					}
				}
			}
		}
	}
}

// charsetValues are records of a text and of bytes, and how both are in
// hexadecimal.
func charsetValues(t *testing.T, n int) (records string, want []string) {
	t.Helper()
	var b strings.Builder
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for i, text := range hostileTexts(t, n) {
		if i >= len(hostile) {
			for range random.IntN(8) { // of all planes, but no surrogate
				if r := rune(random.IntN(0x110000)); r < 0xd800 || r > 0xdfff {
					text += string(r)
				}
			}
		}
		bytes := make([]byte, random.IntN(50))
		for j := range bytes {
			bytes[j] = byte(random.Uint32())
		}
		if i < 4 { // where a lead byte swallows what ends a literal
			bytes = []byte([]string{"\xbf\x27", "\x81\x5c", "\xbf\x5c\x27", "\x83\x5c'"}[i])
		}
		value, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "{\"id\":%d,\"v\":%s,\"b\":\"%x\"}\n", i, value, bytes)
		want = append(want, strings.ToUpper(hex.EncodeToString([]byte(text))+"\t"+hex.EncodeToString(bytes)))
	}
	return b.String(), want
}

// stockClient is a command line of the mariadb client, "" if it is not there.
func stockClient(t *testing.T, to *target, charset, mode string) string {
	t.Helper()
	if _, err := exec.LookPath("mariadb"); err != nil {
		return ""
	}
	u, err := dburl.Parse(to.url)
	if err != nil {
		t.Fatal(err)
	}
	if u.Host == "" {
		return ""
	}
	// The password goes through the environment, in a form that needs no quotes.
	password := base64.StdEncoding.EncodeToString([]byte(u.Password))
	return fmt.Sprintf(`MYSQL_PWD=$(echo %s | base64 -d) mariadb --no-defaults --protocol=tcp --host=%s --port=%d --user=%s --default-character-set=%s --init-command="SET sql_mode='%s'" %s`,
		password, u.Host, u.Port, u.User, charset, mode, u.Database)
}
