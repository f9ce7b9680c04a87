// How programs in any language call the command behind
//
//	relay serve thrift://HOST:PORT -- COMMAND
//
// Framed transport, compact protocol.

namespace * relaythrift

struct Answer {
  1: binary output
  2: binary messages
}

// A command that failed, or that could not be run. Its output is no answer.
exception Failed {
  // As a shell has it: 128 and the number of a signal.
  1: i32 status
  // The last messages of the command, or what kept it from its end.
  2: string message
}

// A line that was closed, by either side.
exception Closed {
  1: string reason
}

// A part of what relay itself sends. What it means is relay's own.
struct Frame {
  1: i32 kind
  2: i64 seq
  3: binary data
}

service Relay {
  // Runs the command on the input; a limit of 0 is none.
  Answer run(1: binary input, 2: i64 limitMilliseconds) throws (1: Failed failed)

  // The lines of relay call, relay to and relay from. A line ends with the
  // connection over which it was opened.
  i64 open() throws (1: Closed closed)
  void write(1: i64 line, 2: list<Frame> frames) throws (1: Closed closed)
  // Waits for frames.
  list<Frame> read(1: i64 line) throws (1: Closed closed)
}
