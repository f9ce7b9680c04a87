package fifomerge

import (
	"slices"
	"strings"
	"testing"

	"pipeworks/internal/framing"
)

func TestKeyOf(t *testing.T) {
	// In order; keys that are equal stand together.
	type placed struct {
		key   key
		place int
	}
	var order []placed
	for i, group := range [][]string{
		{`{"k":-1e3}`},
		{`{"k":-2}`, "-2\tx"},
		{"0", `{"a":"k","k":0}`},
		{"9\t10"},
		{"10", `{"k":10}`},
		{`{"k":9007199254740992}`},
		{`{"k":9007199254740993}`},
		{`{"k":""}`, "", "\t1"},
		{`{"k":"10"}`},
		{"2024-01-01T00:00:00Z", `{"k":"2024-01-01T00:00:00Z"}`},
		{`{"k":"9"}`},
		{"a b\tc", `{"k":"a b"}`},
		{"inf"},
		{"nan"},
		{`{"k":"\u00e9"}`, "é"},
	} {
		for _, record := range group {
			field := "1"
			if strings.HasPrefix(record, "{") {
				field = "k"
			}
			k, err := keyOf([]byte(record), field)
			if err != nil {
				t.Errorf("%s: %v", record, err)
			}
			order = append(order, placed{k, i})
		}
	}
	for _, a := range order {
		for _, b := range order {
			if got := a.key.compare(b.key); got != min(1, max(-1, a.place-b.place)) {
				t.Errorf("%+v and %+v: %d", a, b, got)
			}
		}
	}
}

func TestKeyOfNone(t *testing.T) {
	for _, tt := range []struct{ record, field, want string }{
		{"a\tb", "3", "has no field 3"},
		{"a\tb", "0", "is no JSON object"},
		{"a\tb", "name", "is no JSON object"},
		{`{"a":1}`, "b", `has no field "b"`},
		{`{"a":1`, "a", "is no JSON object: unexpected end of JSON input"},
	} {
		if _, err := keyOf([]byte(tt.record), tt.field); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.record, err, tt.want)
		}
	}
}

// What is sorted comes out sorted, all of it, whatever comes first.
func TestOrdered(t *testing.T) {
	var out buffer
	r := startMerge(t, 3, MergeConfig{OrderedBy: "1"}, &out)
	var want []string
	for i, path := range r.pipes {
		var lines strings.Builder
		for n := range 20_000 {
			line := strings.Repeat("0", 5-len(letters(n))) + letters(n) + "\t" + string(rune('a'+i)) + "\n"
			lines.WriteString(line)
			want = append(want, line)
		}
		go writeTo(t, path, lines.String())
	}
	r.end()
	slices.Sort(want)
	if out.String() != strings.Join(want, "") || r.err != nil {
		t.Errorf("%d bytes, not the same; %v", len(out.String()), r.err)
	}
}

// letters is a text that is in the order of n.
func letters(n int) string {
	text := ""
	for ; n > 0; n /= 26 {
		text = string(rune('a'+n%26)) + text
	}
	return text
}

// An input that is not sorted ends the merge, the others with it.
func TestOrderedNot(t *testing.T) {
	var out buffer
	r := startMerge(t, 2, MergeConfig{OrderedBy: "1"}, &out)
	writeTo(t, r.pipes[0], "2\n1\n")
	r.end()
	if r.err == nil || !strings.HasSuffix(r.err.Error(), "p0: record 2 comes before the one in front of it: the input is not sorted by 1") {
		t.Errorf("got %v", r.err)
	}
	r = startMerge(t, 2, MergeConfig{OrderedBy: "1"}, &failing{})
	go writeTo(t, r.pipes[0], strings.Repeat("1\n", 10_000))
	go writeTo(t, r.pipes[1], strings.Repeat("2\n", 10_000))
	r.end()
	if r.err != errFull {
		t.Errorf("got %v", r.err)
	}
}

func TestTag(t *testing.T) {
	tag := newTag("a\t\"b\\")
	for in, want := range map[string]string{
		"x\n":              `a\t"b\\` + "\tx\n",
		"\n":               `a\t"b\\` + "\t\n",
		"{}\n":             `{"_source":"a\t\"b\\"}` + "\n",
		"{ \t }\n":         `{"_source":"a\t\"b\\"` + " \t }\n",
		"{\"x\":{}}\n{}\n": `{"_source":"a\t\"b\\","x":{}}` + "\n" + `{"_source":"a\t\"b\\"}` + "\n",
	} {
		if got := string(tag.append(nil, framing.Newline, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
