package robots

import "testing"

func TestDirectives(t *testing.T) {
	for _, c := range []struct {
		content string
		want    Directives
	}{
		{"", Directives{}},
		{"index, follow", Directives{}},
		{"noindex", Directives{NoIndex: true}},
		{" NoFollow ,NOARCHIVE", Directives{NoFollow: true}},
		{"none", Directives{NoIndex: true, NoFollow: true}},
		{"noindex,nofollow", Directives{NoIndex: true, NoFollow: true}},
		{"noindexing", Directives{}},
	} {
		var d Directives
		if d.Add(c.content); d != c.want {
			t.Errorf("%q: %+v, want %+v", c.content, d, c.want)
		}
	}
}

func TestDirectivesOfHeader(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Directives
	}{
		{"noindex", Directives{NoIndex: true}},
		{"ExampleBot: noindex, nofollow", Directives{NoIndex: true, NoFollow: true}},
		{"otherbot: noindex", Directives{}},
		{"otherbot: noindex, max-snippet: 3", Directives{}},
		{"noindex, max-snippet: 3", Directives{NoIndex: true}},
		{"max-snippet: 3, nofollow", Directives{NoFollow: true}},
		{"unavailable_after: 25 Jun 2030 15:00:00 PST", Directives{}},
	} {
		var d Directives
		if d.AddHeader(c.value, "examplebot"); d != c.want {
			t.Errorf("%q: %+v, want %+v", c.value, d, c.want)
		}
	}
}
