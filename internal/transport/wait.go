package transport

import (
	"context"
	"sync"
)

// Wait waits on c, whose lock is held, while something holds, until the end of
// ctx, or until failed points to an error: that, or the cause of ctx's end, is
// returned.
func Wait(ctx context.Context, c *sync.Cond, failed *error, while func() bool) error {
	if *failed == nil && ctx.Err() == nil && !while() {
		return nil
	}
	defer context.AfterFunc(ctx, func() {
		c.L.Lock()
		defer c.L.Unlock()
		c.Broadcast()
	})()
	for *failed == nil && ctx.Err() == nil && while() {
		c.Wait()
	}
	if *failed != nil {
		return *failed
	}
	return context.Cause(ctx)
}
