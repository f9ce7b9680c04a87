package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"pipeworks/internal/dburl"
)

// mysqlConn is one driver connection, without the pool of database/sql.
type mysqlConn struct {
	cfg    *mysql.Config
	conn   driver.Conn
	socket *socket
	id     string // the server's number for the session
	wait   func() error
	run    *run // the statement in hand
	counting

	timeout time.Duration // for a statement; 0: none
	grace   time.Duration // for the server to stop one that is over it, before it is told to
}

func openMySQL(ctx context.Context, u dburl.URL, o Options) (Conn, error) {
	cfg, err := mysqlConfig(u, o)
	if err != nil {
		return nil, newConnectError(u, err)
	}
	timeout := u.Timeout
	if timeout == 0 {
		timeout = dburl.DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w in %v", errNoAnswer, timeout))
	defer cancel()
	c := &mysqlConn{cfg: cfg, wait: o.OnWait, timeout: o.Timeout}
	if c.conn, c.socket, err = dial(ctx, cfg); err == nil {
		if err = c.identify(ctx); err == nil {
			err = c.limitTime(ctx)
		}
		if err != nil {
			c.conn.Close()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, newConnectError(u, err)
	}
	if o.OnWait != nil {
		c.socket.onWait = c.onWait
	}
	return c, nil
}

// identify asks for the number that KILL takes. A proxy between may greet with
// a number of its own, so the one in the greeting will not do.
func (c *mysqlConn) identify(ctx context.Context) error {
	rows, err := c.conn.(driver.QueryerContext).QueryContext(ctx, "SELECT CONNECTION_ID()", nil)
	if err != nil {
		return c.describe(err)
	}
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		return c.describe(err)
	}
	c.id = fmt.Sprint(row[0])
	return rows.Close()
}

// Close says goodbye. All that was done stands already, so it does not matter
// whether the server hears it.
func (c *mysqlConn) Close() error {
	c.conn.Close()
	return nil
}

func (c *mysqlConn) Query(ctx context.Context, sql []byte) (Rows, error) {
	if c.run != nil {
		return nil, errRowsOpen
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c.counting.known = false
	c.run = c.start(ctx)
	r := &mysqlRows{conn: c, affected: -1}
	if err := r.send(sql); err != nil {
		err = c.refusal(err)
		c.finish()
		return nil, err
	}
	return r, nil
}

// send waits for the first answer. The driver gets no context: at its end it
// would close the connection and leave the statement running.
func (r *mysqlRows) send(sql []byte) (err error) {
	ctx := context.Background()
	if OnlyChanges(sql) { // the driver tells how many rows only where it gives none
		result, err := r.conn.conn.(driver.ExecerContext).ExecContext(ctx, string(sql), nil)
		if err != nil {
			return err
		}
		r.ended, r.over = true, true
		r.affected, err = result.RowsAffected()
		return err
	}
	if r.rows, err = r.conn.conn.(driver.QueryerContext).QueryContext(ctx, string(sql), nil); err != nil {
		return err
	}
	r.begin()
	return nil
}

// refusal is the error of a statement that has given nothing. What neither the
// server says nor ends the connection is the driver's no to LOAD DATA LOCAL:
// it has sent an empty file instead.
func (c *mysqlConn) refusal(err error) error {
	err = c.fail(err)
	if e, ok := errors.AsType[*Error](err); ok && e.Number == crUnknown {
		return &Error{Number: crLocalRefused, State: stateGeneral, Message: "LOAD DATA LOCAL is refused: the server gets no file of this machine", cause: e.cause}
	}
	return err
}

// fail is the error of the statement in hand: why it was stopped, if it was.
func (c *mysqlConn) fail(err error) error {
	if c.run.ctx.Err() != nil {
		return c.stopped()
	}
	return c.describe(err)
}

// stopped is why the statement in hand was stopped.
func (c *mysqlConn) stopped() error {
	cause := context.Cause(c.run.ctx)
	if cause == errTimeout {
		return &Error{Number: erQueryInterrupted, State: "70100", Message: tookTooLong(c.timeout)}
	}
	return cause
}

// limitTime tells the server how long a statement may take, if it knows that of
// this kind of statement.
func (c *mysqlConn) limitTime(ctx context.Context) error {
	if c.timeout == 0 {
		return nil
	}
	const grace = 500 * time.Millisecond
	_, err := Ask(ctx, c, fmt.Sprintf("SET SESSION max_statement_time = %.6f", c.timeout.Seconds()))
	if e, ok := errors.AsType[*Error](err); ok && e.Number == erUnknownVariable { // MySQL, where it is for SELECT alone
		_, err = Ask(ctx, c, fmt.Sprintf("SET SESSION max_execution_time = %d", max(1, c.timeout.Milliseconds())))
		c.counting.refused = true // the server would not stop one of a pack in time
		return err
	}
	c.grace = grace
	return err
}

// describe turns a driver's error into an *Error.
func (c *mysqlConn) describe(err error) error {
	var serverErr *mysql.MySQLError
	switch {
	case errors.As(err, &serverErr):
		return newMySQLError(serverErr)
	case errors.Is(err, mysql.ErrPktTooLarge):
		return &Error{Number: erPacketTooLarge, State: "08S01", Message: "Got a packet bigger than 'max_allowed_packet' bytes"}
	case c.valid():
		return &Error{Number: crUnknown, State: stateGeneral, Message: "Unknown error", cause: err}
	}
	lost := &Error{Number: crServerLost, State: stateGeneral, Message: "Lost connection to server during query"}
	if errors.Is(err, driver.ErrBadConn) { // nothing was sent
		lost.Number, lost.Message = crServerGone, "Server has gone away"
	}
	if c.socket.err != io.EOF { // which says no more
		lost.cause = c.socket.err
	}
	return lost
}

// valid reports whether the driver still has the connection.
func (c *mysqlConn) valid() bool { return c.conn.(driver.Validator).IsValid() }

func newMySQLError(e *mysql.MySQLError) *Error {
	state := stateGeneral // the server sends none before the session has begun
	if e.SQLState[0] != 0 {
		state = string(e.SQLState[:])
	}
	return &Error{Number: int(e.Number), State: state, Message: e.Message}
}

// run is the time from a Query to the Close of its Rows.
type run struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	expire   context.CancelFunc
	unwatch  func() bool
	finished chan struct{}
	killer   sync.WaitGroup
}

// errAbandoned stops a statement whose rows nobody wants any more.
var errAbandoned = errors.New("abandoned")

// start begins a run. At the end of its context the statement is killed on the
// server, which then tells the driver so.
func (c *mysqlConn) start(ctx context.Context) *run {
	r := &run{finished: make(chan struct{})}
	ctx, r.expire = withTimeout(ctx, time.Duration(max(1, c.counting.sending))*c.timeout, c.grace)
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.killer.Add(1)
	r.unwatch = context.AfterFunc(r.ctx, func() {
		defer r.killer.Done()
		c.kill(r)
	})
	return r
}

// finish ends the run.
func (c *mysqlConn) finish() {
	r := c.run
	c.run = nil
	close(r.finished)
	defer r.expire()
	defer r.cancel(nil)
	if r.unwatch() {
		return
	}
	r.killer.Wait()
	// The kill may have come when the statement was over. Then it hits the
	// next one: let that be one that does nothing.
	if c.valid() {
		_, _ = c.conn.(driver.ExecerContext).ExecContext(context.Background(), "DO 0", nil)
		c.counting.questions++ // behind the count from before the statement
	}
}

// onWait is called by the socket. A statement that is being stopped has its
// error already.
func (c *mysqlConn) onWait() {
	if c.run == nil || c.run.ctx.Err() != nil {
		return
	}
	if err := c.wait(); err != nil {
		c.run.cancel(err)
	}
}

// How long a server may take to stop a statement, and how often it is told: the
// first time may be before the statement has come in.
const (
	killTimeout  = 5 * time.Second
	killInterval = 100 * time.Millisecond
)

// kill stops the statement on the server, over a connection of its own, until
// the run is finished. If the server does not listen, the connection is closed.
func (c *mysqlConn) kill(r *run) {
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	cfg := c.cfg.Clone()
	cfg.MaxAllowedPacket = 1 << 20 // no need to ask
	conn, _, err := dial(ctx, cfg)
	if err == nil {
		defer conn.Close()
	}
	for {
		select {
		case <-r.finished:
			return
		default:
		}
		if err == nil {
			_, err = conn.(driver.ExecerContext).ExecContext(ctx, "KILL QUERY "+c.id, nil)
		}
		if err != nil {
			c.socket.Close()
			return
		}
		select {
		case <-r.finished:
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(killInterval):
		}
	}
}

// mysqlRows are the rows of the text protocol, where every value comes as the
// server prints it. The driver parses some of them; they are printed back.
type mysqlRows struct {
	conn    *mysqlConn
	rows    driver.Rows // nil: there are none
	columns []Column
	types   []mysqlType
	values  []driver.Value
	buf     []byte // the text of the row's parsed values
	ended   bool   // the result set has no more rows
	over    bool   // the server has nothing more to say
	closed  bool

	affected int64
}

// begin looks at the columns of the next result set.
func (r *mysqlRows) begin() {
	names := r.rows.Columns()
	r.columns = make([]Column, len(names))
	r.types = make([]mysqlType, len(names))
	r.values = make([]driver.Value, len(names))
	for i, name := range names {
		r.types[i] = newMySQLType(r.rows, i)
		r.columns[i] = Column{Name: name, Type: r.types[i].name}
	}
	r.ended = len(names) == 0
	r.over = r.ended && !r.more()
}

func (r *mysqlRows) more() bool { return r.rows.(driver.RowsNextResultSet).HasNextResultSet() }

func (r *mysqlRows) Columns() []Column { return r.columns }

func (r *mysqlRows) Affected() int64 { return r.affected }

func (r *mysqlRows) NextResult() (bool, error) {
	if r.over {
		return false, nil
	}
	err := r.rows.(driver.RowsNextResultSet).NextResultSet()
	if err == io.EOF {
		r.ended, r.over = true, true
		return false, nil
	}
	if err != nil {
		r.ended, r.over = true, true
		return false, r.conn.fail(err)
	}
	r.begin()
	return true, nil
}

func (r *mysqlRows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if !r.over {
		r.conn.run.cancel(errAbandoned)
	}
	var err error
	if r.rows != nil {
		if err = r.rows.Close(); err != nil { // it reads what is still to come
			err = r.conn.fail(err)
		}
	}
	r.conn.finish()
	if !r.over {
		return nil // the error is that it was stopped
	}
	return err
}
