// Package e2e tests the tools as people use them: real processes, real pipes,
// exact messages and exit statuses. The scripts are in testdata, one a topic.
//
// A script runs in a directory of its own ($WORK), where HOME, TMPDIR and
// XDG_DATA_HOME are too, and leaves no process, no temporary file and no FIFO.
// $ROOT is the top of the source tree. $PORT is one of two ports that nobody
// listens at; the other one is the next.
// Beside the commands of testscript it has:
//
//	sh [STATUS] LINE        run LINE by bash with pipefail, as ! and exec cannot
//	status STATUS NAME ...  run one program
//	out [LINE...]           the last standard output is exactly these lines
//	err [LINE...]           so is the last standard error
//	serve DIR               serve DIR at $SITE (http://$HOST), and below /_/ what
//	                        site_test.go lists; at $SECURE by TLS, with a certificate
//	                        that nobody has signed
//	mute                    $MUTE is a HOST:PORT that takes connections, says nothing,
//	                        and makes the file "connected" for each
//	readme WORDS [MORE]     run the block of README.md or docs/ that begins
//	                        with WORDS
//	example TOOL [VERB] N [MORE]
//	                        run the Nth example of the help
//	page NAME N [MORE]      run the Nth example of man/NAME
//	kafka                   $KAFKA is the URL of a broker, up to a part of the topic
//
// MORE is put behind the text of the manual. STATUS is the exit status wanted, 0 if it is not given; death by a signal is
// 128 and its number. The condition [mysql] holds if there is a server
// ($PIPEWORKS_TEST_MYSQL); then $MYSQL is the URL of an empty database. So does
// [nats] ($PIPEWORKS_TEST_NATS); $NATS is its URL, up to a part of the subject, and
// if [nats-monitor], $NATS_MONITOR that of its monitor.
// [amqp], [amqp1] and [stomp] are alike. [brokers] holds if scripts/brokers has
// started them, and takes orders ($BROKERS).
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pipeworks/internal/cmdline"
	"pipeworks/internal/crawl"
	"pipeworks/internal/fifomerge"
	"pipeworks/internal/gensql"
	"pipeworks/internal/relay"
	"pipeworks/internal/relayplot"
	"pipeworks/internal/sqlpipe"
	"pipeworks/internal/transport"
	"pipeworks/internal/transport/amqp"
	"pipeworks/internal/transport/amqp1"
	"pipeworks/internal/transport/grpc"
	"pipeworks/internal/transport/kafka"
	"pipeworks/internal/transport/nats"
	"pipeworks/internal/transport/rocketmq"
	"pipeworks/internal/transport/stomp"
	"pipeworks/internal/transport/thrift"
)

var tools = map[string]func() *cmdline.Command{
	"gensql":    gensql.Command,
	"sqlpipe":   sqlpipe.Command,
	"crawl":     crawl.Command,
	"fifomerge": fifomerge.Command,
	"relay":     func() *cmdline.Command { return relay.Command("relay") },
}

// siblings are relay with another client, and the same manual.
var siblings = map[string]transport.Transport{
	"relay-amqp":     amqp.Transport,
	"relay-amqp1":    amqp1.Transport,
	"relay-grpc":     grpc.Transport,
	"relay-kafka":    kafka.Transport,
	"relay-nats":     nats.Transport,
	"relay-rocketmq": rocketmq.Transport,
	"relay-stomp":    stomp.Transport,
	"relay-thrift":   thrift.Transport,
}

func TestMain(m *testing.M) {
	mains := map[string]func(){"relay-plot": func() { os.Exit(cmdline.Main(relayplot.Command())) }}
	for name, command := range tools {
		mains[name] = func() { os.Exit(cmdline.Main(command())) }
	}
	for name, client := range siblings {
		mains[name] = func() { os.Exit(cmdline.Main(relay.Command(name, client))) }
	}
	testscript.Main(m, mains)
}

func TestScripts(t *testing.T) { run(t, "testdata") }

// TestScriptsAlone runs those that disturb others: they restart the brokers.
func TestScriptsAlone(t *testing.T) { run(t, "testdata/alone") }

func run(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                dir,
		WorkdirRoot:        t.TempDir(), // the directory of its own stays behind with -run
		Setup:              setup,
		Condition:          condition,
		RequireUniqueNames: true,
		ContinueOnError:    true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sh":       cmdSh,
			"status":   cmdStatus,
			"out":      func(ts *testscript.TestScript, neg bool, lines []string) { is(ts, "stdout", neg, lines) },
			"err":      func(ts *testscript.TestScript, neg bool, lines []string) { is(ts, "stderr", neg, lines) },
			"serve":    cmdServe,
			"mute":     cmdMute,
			"readme":   cmdReadme,
			"example":  cmdExample,
			"page":     cmdPage,
			"kafka":    cmdKafka,
			"rocketmq": cmdRocketmq,
		},
	})
}

func condition(name string) (bool, error) {
	switch name {
	case "mysql":
		return os.Getenv(mysqlEnv) != "", nil
	case "nats", "amqp", "amqp1", "stomp":
		return os.Getenv("PIPEWORKS_TEST_"+strings.ToUpper(name)) != "", nil
	case "brokers":
		return os.Getenv(brokersEnv) != "", nil
	case "nats-monitor":
		return os.Getenv(natsMonitorEnv) != "", nil
	}
	return false, fmt.Errorf("unknown condition")
}

func setup(env *testscript.Env) error {
	t := env.T().(testing.TB)
	home := filepath.Join(env.WorkDir, ".home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, ".data"))
	env.Setenv("LC_ALL", "C.UTF-8")
	env.Setenv("PORT", freePort(t))
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("ROOT", root)
	if os.Getenv(mysqlEnv) != "" {
		env.Setenv("MYSQL", freshDatabase(t))
	}
	brokers(env)
	env.Defer(func() {
		for _, left := range leftovers(env) {
			t.Errorf("left behind: %s", left)
		}
	})
	return nil
}

// freePort is a port that is free, and so is the next one. The system gives none
// of these to a connection.
func freePort(t testing.TB) string {
	for range 100 {
		if port := 10_000 + 2*rand.IntN(5_000); isFree(port) && isFree(port+1) {
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func isFree(port int) bool {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprint("localhost:", port))
	if err == nil {
		l.Close()
	}
	return err == nil
}

// leftovers are the processes of a script that still run when it has ended,
// its temporary files, and FIFOs anywhere below its directory. The processes
// are killed.
func leftovers(env *testscript.Env) (left []string) {
	pids := processes(env.WorkDir)
	for start := time.Now(); len(pids) > 0 && time.Since(start) < 20*time.Second; pids = processes(env.WorkDir) {
		time.Sleep(20 * time.Millisecond) // one that has closed its streams may need a moment to end
	}
	for _, pid := range pids {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		left = append(left, fmt.Sprintf("process %d: %s", pid, bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	empty := []string{env.Getenv("TMPDIR"), env.Getenv("HOME")}
	_ = filepath.WalkDir(env.WorkDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type() == fs.ModeNamedPipe {
			left = append(left, "FIFO "+path)
		}
		for _, dir := range empty {
			if filepath.Dir(path) == dir {
				left = append(left, "file "+path)
			}
		}
		return nil
	})
	return left
}

// processes are those that have the script's directory in their environment.
func processes(work string) (pids []int) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(environ), "\x00WORK="+work+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cmdSh runs a line by bash. A pipe's status is that of its last command that
// failed.
func cmdSh(ts *testscript.TestScript, neg bool, args []string) {
	want := 0
	if len(args) == 2 {
		want = statusArg(ts, args[0])
		args = args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sh [STATUS] LINE")
	}
	expect(ts, want, "bash", "-o", "pipefail", "-c", args[0])
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status STATUS NAME ARGUMENT...")
	}
	expect(ts, statusArg(ts, args[0]), args[1], args[2:]...)
}

func statusArg(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// expect runs a program, which must end with the status want.
func expect(ts *testscript.TestScript, want int, name string, args ...string) {
	err := ts.Exec(name, args...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
		if w := exit.Sys().(syscall.WaitStatus); w.Signaled() {
			got = 128 + int(w.Signal())
		}
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// is compares a stream of the last program with lines.
func is(ts *testscript.TestScript, stream string, neg bool, lines []string) {
	if neg {
		ts.Fatalf("%s cannot be negated", stream)
	}
	want := ""
	if len(lines) > 0 {
		want = strings.Join(lines, "\n") + "\n"
	}
	if got := ts.ReadFile(stream); got != want {
		ts.Fatalf("%s is\n%s\nwant\n%s", stream, got, want)
	}
}

// cmdMute takes connections, says nothing, and makes the file "connected" for
// each.
func cmdMute(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: mute")
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	connected := ts.MkAbs("connected")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if err := os.WriteFile(connected, nil, 0o600); err != nil {
				return
			}
		}
	}()
	ts.Defer(func() {
		listener.Close()
		<-done
	})
	ts.Setenv("MUTE", listener.Addr().String())
}
