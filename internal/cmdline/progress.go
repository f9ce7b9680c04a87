package cmdline

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"pipeworks/internal/progress"
)

// ProgressFlag is --progress.
func ProgressFlag() cli.Flag {
	return &cli.StringFlag{Name: "progress", Value: "auto", Usage: "`WHEN` a line of progress is shown on stderr: auto (on a terminal, after a second), always, never"}
}

// Meter counts what is to be shown as progress. The bytes of Inputs are counted
// by themselves.
func (inv *Invocation) Meter() *progress.Meter { return inv.meter }

const (
	progressDelay = time.Second // a run that is over sooner shows nothing
	redrawEvery   = 200 * time.Millisecond
	logEvery      = 10 * time.Second // where a line cannot be redrawn
)

// progressLine shows how far a run has come. On a terminal that is one line,
// drawn over and over: its text is followed by a carriage return, so that
// whoever writes next begins where it begins. A library that moves the cursor
// between lines would wipe out what the other programs of the pipe write.
type progressLine struct {
	inv    *Invocation
	start  time.Time
	always bool
	owned  *os.File // the terminal, while the line on it is this process's
	drawn  bool
	logged time.Time
}

// showProgress does so until stop is called. SIGUSR1 asks for a line at once,
// wherever stderr goes.
func (inv *Invocation) showProgress() (stop func(), err error) {
	p := &progressLine{inv: inv, start: time.Now()}
	shown := !inv.Bool("quiet")
	switch when := inv.String("progress"); when {
	case "auto", "":
	case "always":
		p.always = true
	case "never":
		shown = false
	default:
		return nil, Usagef("--progress %s: it is auto, always or never", when)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	ticker := time.NewTicker(redrawEvery)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				p.clear()
				return
			case <-asked:
				p.log()
			case <-ticker.C:
				if shown {
					p.tick()
				}
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		ticker.Stop()
		close(done)
		<-ended
	}, nil
}

func (p *progressLine) text() string {
	return p.inv.tool + ": " + p.inv.meter.Line(time.Since(p.start))
}

// log prints the text as a line of its own.
func (p *progressLine) log() { fmt.Fprintln(p.inv.streams.Err, p.text()) }

func (p *progressLine) tick() {
	t, ok := p.inv.streams.Err.(terminal)
	switch {
	case !ok:
		if p.always && time.Since(p.logged) >= logEvery {
			p.log()
			p.logged = time.Now()
		}
	case !p.always && time.Since(p.start) < p.delay():
	case p.own(t):
		p.draw(t)
	}
}

// delay is a little less for who knows how much is left: that is the line to see.
func (p *progressLine) delay() time.Duration {
	if p.inv.meter.Known() {
		return progressDelay
	}
	return progressDelay + 2*redrawEvery
}

// own makes the line on the terminal this process's: of the programs of a pipe
// only one shows its progress at a time, and none that prints its output there.
func (p *progressLine) own(t terminal) bool {
	out, ok := p.inv.streams.Out.(*os.File)
	if ok && term.IsTerminal(int(out.Fd())) && !p.always {
		return false
	}
	if p.owned == nil {
		// A descriptor of its own: the lock is shared by who shares that.
		f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", t.file.Fd()), os.O_WRONLY|syscall.O_NOCTTY, 0)
		if err != nil {
			return false
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			return false
		}
		p.owned = f
	}
	return true
}

func (p *progressLine) draw(t terminal) {
	text := []rune(p.text())
	if width, _, err := term.GetSize(int(t.file.Fd())); err == nil && width > 0 && len(text) >= width {
		text = text[:width-1]
	}
	fmt.Fprint(t, string(text)+"\r")
	p.drawn = true
}

// clear takes the line off the terminal and leaves it to the next program.
func (p *progressLine) clear() {
	if t, ok := p.inv.streams.Err.(terminal); ok && p.drawn {
		fmt.Fprint(t, "")
	}
	if p.owned != nil {
		p.owned.Close()
	}
}

// terminal is a terminal as stderr. What is written takes the place of a line
// of progress, whoever has drawn it.
type terminal struct{ file *os.File }

const clearLine = "\x1b[K"

func (t terminal) Write(p []byte) (int, error) {
	_, err := t.file.Write(append([]byte(clearLine), p...))
	return len(p), err
}

// asTerminal is stderr as a terminal, if it is one on which a line can be
// cleared.
func asTerminal(stderr io.Writer) io.Writer {
	f, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" {
		return stderr
	}
	return terminal{f}
}
