package amqp

import (
	"strings"
	"testing"

	"pipeworks/internal/transport"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://h/":                         "written amqp://HOST/QUEUE",
		"amqp://h/q?type=stream":            "quorum or classic",
		"amqp://h/q?prefetch=0":             "from 1 on",
		"amqp://h/q?keyed":                  "go with exchange",
		"amqp://h/q?exchange=x&keyed=maybe": "true or false",
	} {
		u, err := transport.ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Transport.Sender(t.Context(), u, transport.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	u, err := transport.ParseURL("amqp://h/q")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []transport.Options{{Dedupe: true}, {Group: "g"}} {
		if _, err := Transport.Receiver(t.Context(), u, o); err == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
}
