package e2e

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sharedPath is a file of the test data that others made, which is not part of
// the project.
func sharedPath(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../../shared/data/" + name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("no shared test data: %v", err)
	}
	return path
}

// Files of others go into a table and come out as they were, field by field.
func TestRoundTripOfFiles(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(sharedPath(t, "csv-spectrum"), "*.csv"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	paths = append(paths, sharedPath(t, "world-cities.csv"))
	list := targets(t)
	for _, to := range list[:min(len(list), 2)] {
		for i, path := range paths {
			want := readCSV(t, path)
			for j, flags := range []string{"--create", "--create --sample all"} {
				table := fmt.Sprintf("f%d_%d", i, j)
				to.shell(t, fmt.Sprintf("gensql insert %s %s '%s' | sqlpipe", table, flags, path), "")
				export := filepath.Join(t.TempDir(), "export.csv")
				to.shell(t, fmt.Sprintf("sqlpipe -f csv -e 'SELECT * FROM %s' > '%s'", table, export), "")
				if got := readCSV(t, export); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
					t.Errorf("%s, %s, %s: %d records became %d, or others", to.name, filepath.Base(path), flags, len(want), len(got))
				}
			}
		}
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// A real dump, with DELIMITER, triggers, routines and views.
func TestSakila(t *testing.T) {
	if os.Getenv("PIPEWORKS_TEST_MYSQL_SOCKET") == "" {
		t.Skip("only on the server of scripts/mariadb: the dump drops and makes the database sakila")
	}
	to := targets(t)[1]
	for _, name := range []string{"sakila-mv-schema.sql", "sakila-mv-data.sql"} {
		if out := to.shell(t, "sqlpipe < '"+sharedPath(t, name)+"'", ""); strings.Contains(out, "ERROR") {
			t.Error(out)
		}
	}
	t.Cleanup(func() { onServer(t, os.Getenv(mysqlEnv), "DROP DATABASE sakila") })
	got := to.shell(t, `sqlpipe -f csv --no-header -e "
		SELECT (SELECT count(*) FROM sakila.film),
		(SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = 'sakila'),
		(SELECT count(*) FROM information_schema.routines WHERE routine_schema = 'sakila')"`, "")
	if want := "1000,6,6\n"; got != want {
		t.Errorf("films, triggers, routines: %s, want %s", got, want)
	}
}
