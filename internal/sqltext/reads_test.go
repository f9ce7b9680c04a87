package sqltext

import "testing"

func TestOnlyReads(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1":                             true,
		"select * from t":                      true,
		"(SELECT 1) UNION (SELECT 2)":          true,
		"WITH x AS (SELECT 1) SELECT * FROM x": true,
		"SHOW TABLES":                          true,
		"EXPLAIN UPDATE t SET a = 1":           true,
		"SELECT 1 INTO OUTFILE '/tmp/x'":       false,
		"SELECT 1 into dumpfile '/tmp/x'":      false,
		"SET SESSION TRANSACTION READ WRITE":   false,
		"SET STATEMENT x = 1 FOR SELECT 1":     false,
		"START TRANSACTION READ WRITE":         false,
		"BEGIN":                                false,
		"CALL p()":                             false,
		"PRAGMA query_only = OFF":              false,
		"ATTACH 'x' AS x":                      false,
		"/*! SET @a = 1 */":                    false,
		"INSERT INTO t VALUES (1)":             false,
		"ANALYZE UPDATE t SET a = 1":           false,
		"EXECUTE IMMEDIATE 'DROP TABLE t'":     false,
		"SELECTED":                             false,
		"SELECT * FROM outfiles":               true,
		"/* x */ SELECT 1":                     false,
		"":                                     false,
		"DO SLEEP(1)":                          false,
		"HANDLER t OPEN":                       false,
		"DECLARE x INT":                        false,
		"LOCK TABLES t WRITE":                  false,
		"VALUES (1), (2)":                      true,
		"DESCRIBE t":                           true,
		"TABLE t":                              true,
		"TRUNCATE t":                           false,
		"WITH x AS (SELECT 1) DELETE FROM t":   true, // which the connection refuses
		"KILL 1":                               false,
		"LOAD DATA INFILE 'x' INTO TABLE t":    false,
		"DROP TABLE t":                         false,
		"ROLLBACK":                             false,
		"USE other":                            false,
	} {
		if got := OnlyReads([]byte(sql)); got != want {
			t.Errorf("%s: %t", sql, got)
		}
	}
}
