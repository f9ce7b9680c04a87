package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"pipeworks/internal/transport"
)

// The pauses between attempts to reach the other side, which grow from the
// first to the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// permanentError is one that trying again cannot mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent says that trying again cannot mend err.
func Permanent(err error) error { return permanentError{err} }

// IsPermanent reports whether err is one that trying again cannot mend.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanentError](err)
	return ok
}

// Retry tries until it succeeds, or the error is Permanent, or o.Timeout is
// over. After a while it says what it waits for.
func Retry(ctx context.Context, o transport.Options, name string, try func() error) error {
	start, told := time.Now(), false
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if permanent, ok := errors.AsType[permanentError](err); ok {
			return permanent.error
		}
		waited := time.Since(start)
		if o.Timeout > 0 && waited+pause > o.Timeout {
			return fmt.Errorf("%s: waited %v: %w", name, o.Timeout, err)
		}
		if !told && waited > time.Second {
			told = true
			o.Warnf("waiting for %s: %v", name, err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
