package extract

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"
)

func encoded(t *testing.T, name, text string) string {
	t.Helper()
	e, _ := lookup(name)
	s, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCharset(t *testing.T) {
	const title = "Größe – “é”"
	long := "<!--" + strings.Repeat("x", 2000) + "-->"
	utf16, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("<title>" + title + "</title>")
	cp1252 := encoded(t, "windows-1252", "<title>"+title+"</title>")
	sjis := encoded(t, "shift_jis", "<title>日本</title>")
	for _, c := range []struct{ name, body, contentType, title, charset string }{
		{"header", "<title>" + title + "</title>", "text/html; charset=UTF-8", title, "utf-8"},
		{"header against declaration", "<meta charset=shift_jis><title>" + title + "</title>", `text/html; charset="utf-8"`, title, "utf-8"},
		{"header with errors", cp1252, `text/html; charset=latin1; charset=latin1;;`, title, "windows-1252"},
		{"byte order mark", "\xef\xbb\xbf<title>" + title + "</title>", "text/html; charset=latin1", title, "utf-8"},
		{"UTF-16 by its mark", utf16, "text/html", title, "utf-16le"},
		{"declaration", "<meta charset=shift_jis>" + sjis, "text/html", "日本", "shift_jis"},
		{"declaration far behind", long + "<META Content='text/html; CharSet=Shift_JIS' HTTP-EQUIV=Content-Type>" + sjis, "text/html", "日本", "shift_jis"},
		{"declaration in a comment", "<!-- <meta charset=shift_jis> --><title>" + title + "</title>", "text/html", title, "utf-8"},
		{"declaration in the body", "<title>" + title + "</title><body><meta charset=shift_jis>", "text/html", title, "utf-8"},
		{"declaration of XML", `<?xml version="1.0" encoding="Shift_JIS"?>` + sjis, "text/html", "日本", "shift_jis"},
		{"declared as UTF-16", "<meta charset=utf-16><title>" + title + "</title>", "text/html", title, "utf-8"},
		{"content alone is no declaration", "<meta content='charset=shift_jis'><title>" + title + "</title>", "text/html", title, "utf-8"},
		{"undeclared UTF-8", "<title>" + title + "</title>", "text/html", title, "utf-8"},
		{"undeclared UTF-8 far behind", long + "<title>" + title + "</title>", "text/html", title, "utf-8"},
		{"undeclared otherwise far behind", long + cp1252, "text/html", title, "windows-1252"},
		{"unknown name", "<title>" + title + "</title>", "text/html; charset=klingon", title, "utf-8"},
		{"malformed header", "<title>" + title + "</title>", "text/html; charset", title, "utf-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := extractor(t, Config{}).Extract(Source{[]byte(c.body), c.contentType, resolve})
			if diff := cmp.Diff([]string{c.title, c.charset}, []string{string(p.Title.Bytes), p.Charset}); diff != "" {
				t.Errorf("title, charset (-want +got)\n%s", diff)
			}
		})
	}
}

// A text about HTML declares nothing.
func TestCharsetOfPlainText(t *testing.T) {
	const body = "how to write <meta charset=shift_jis>: \"é\""
	p := extractor(t, Config{Text: true}).Extract(Source{[]byte(body), "text/plain", resolve})
	if string(p.Rows[0][0].Bytes) != body || p.Charset != "utf-8" {
		t.Errorf("%s in %s", p.Rows[0][0].Bytes, p.Charset)
	}
}

// Text whose encoding nobody declares is known by the letters that it has.
func TestUndeclaredCharset(t *testing.T) {
	for _, c := range []struct{ charset, text string }{
		{"windows-1251", "Каждый день поезд уходит со станции ровно в семь часов утра, и никто не знает, почему он не опаздывает."},
		{"koi8-r", "Каждый день поезд уходит со станции ровно в семь часов утра, и никто не знает, почему он не опаздывает."},
		{"shift_jis", "毎朝七時に駅を出る電車は、なぜか一度も遅れたことがありません。それはとても不思議なことです。"},
		{"euc-jp", "毎朝七時に駅を出る電車は、なぜか一度も遅れたことがありません。それはとても不思議なことです。"},
		{"iso-2022-jp", "毎朝七時に駅を出る電車は、なぜか一度も遅れたことがありません。"},
		{"gb18030", "每天早上七点，火车准时离开车站，没有人知道它为什么从来不晚点。这是一件很奇怪的事情。"},
		{"big5", "每天早上七點，火車準時離開車站，沒有人知道它為什麼從來不晚點。這是一件很奇怪的事情。"},
		{"euc-kr", "매일 아침 일곱 시에 기차가 역을 떠나는데, 왜 한 번도 늦지 않는지 아무도 모릅니다."},
		{"windows-1253", "Κάθε πρωί στις επτά το τρένο φεύγει από τον σταθμό και κανείς δεν ξέρει γιατί δεν αργεί ποτέ."},
		{"windows-1255", "בכל בוקר בשעה שבע הרכבת יוצאת מהתחנה, ואיש אינו יודע מדוע היא אף פעם אינה מאחרת."},
		{"windows-1252", "Jeden Morgen fährt der Zug pünktlich um sieben Uhr ab, und niemand weiß, warum er nie verspätet ist – “größer”."},
	} {
		page := "<html><head><title>x</title></head><body class=page><p>" + encoded(t, c.charset, c.text) + "</p></body></html>"
		p := extractor(t, Config{}, "p=p").Extract(Source{[]byte(page), "text/html", resolve})
		if got := string(p.Rows[0][0].Bytes); got != c.text {
			t.Errorf("%s was read as %s: %s", c.charset, p.Charset, got)
		}
	}
}

// Whatever the bytes and the encoding are, text is UTF-8.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("<p>\xe9\xff"), "text/html; charset=utf-8")
	f.Add([]byte("\x1b$B\x1b(B"), "")
	f.Add([]byte("<meta charset=gbk>\x81"), "text/html")
	f.Add([]byte(`<?xml version="1.0" encoding="big5"?>`), "text/xml")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if text, name := decode(body, contentType, true); !utf8.Valid(text) || name == "" {
			t.Errorf("%q, %q: %q in %q", body, contentType, text, name)
		}
	})
}
