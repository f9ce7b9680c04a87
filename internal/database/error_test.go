package database

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestStatementError(t *testing.T) {
	missing := &Error{Number: 1146, State: "42S02", Message: "Table 'd.t' doesn't exist"}
	lost := &Error{Number: crServerLost, State: stateGeneral, Message: "Lost connection", cause: io.ErrUnexpectedEOF}
	tests := []struct {
		err  StatementError
		want string
	}{
		// As the mysql client prints them.
		{StatementError{Source: "stdin", Line: 3, Err: missing}, "ERROR 1146 (42S02) at line 3: Table 'd.t' doesn't exist"},
		{StatementError{Source: "x.sql", Line: 3, Err: missing}, "ERROR 1146 (42S02) at line 3 in file: 'x.sql': Table 'd.t' doesn't exist"},
		{StatementError{Source: "", Line: 1, Err: errors.New("unknown command")}, "ERROR at line 1: unknown command"},
		{StatementError{Source: "stdin", Line: 1, Err: lost}, "ERROR 2013 (HY000) at line 1: Lost connection (unexpected EOF)"},
		{StatementError{Source: "stdin", Line: 1, Err: lost, Last: 9}, "ERROR 2013 (HY000) somewhere from line 1 to 9: Lost connection (unexpected EOF)"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if !errors.Is(&tt.err, tt.err.Err) {
			t.Errorf("%s: its cause is lost", tt.want)
		}
	}
	if !errors.Is(&StatementError{Err: lost}, io.ErrUnexpectedEOF) {
		t.Error("what happened to the connection is lost")
	}
}

func TestErrorClasses(t *testing.T) {
	tests := []struct {
		number                int
		retryable, lost, hint bool
	}{
		{1146, false, false, false},
		{1205, true, false, false}, // lock wait timeout
		{1213, true, false, false}, // deadlock
		{2006, false, true, false},
		{2013, false, true, true},
		{1053, false, true, false}, // shutdown
		{1927, false, true, false}, // killed
		{1045, false, false, true},
		{1049, false, false, true},
		{1153, false, false, true},
		{5, true, false, true},    // SQLITE_BUSY
		{6, true, false, false},   // SQLITE_LOCKED
		{19, false, false, false}, // SQLITE_CONSTRAINT
	}
	for _, tt := range tests {
		e := &Error{Number: tt.number}
		got := fmt.Sprint(e.Retryable(), e.ConnectionLost(), e.Hint() != "")
		if want := fmt.Sprint(tt.retryable, tt.lost, tt.hint); got != want {
			t.Errorf("%d: retryable, connection lost, hint are %s, want %s", tt.number, got, want)
		}
	}
}
