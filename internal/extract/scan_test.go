package extract

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// scanned are the tokens of a page as the scanner has them, texts that follow
// one another as one.
func scanned(page []byte) (tokens []string) {
	s := scanner{src: page}
	var text bytes.Buffer
	for {
		t := s.next()
		if t == textToken {
			text.Write(s.decoded())
			continue
		}
		if text.Len() > 0 {
			tokens = append(tokens, fmt.Sprintf("text %q", text.Bytes()))
			text.Reset()
		}
		switch t {
		case endOfPage:
			return tokens
		case startTag:
			tokens = append(tokens, fmt.Sprintf("start %s %q %v", lower(s.name), s.attributes(nil), s.selfClosing()))
		case endTag:
			tokens = append(tokens, fmt.Sprintf("end %s", lower(s.name)))
		case otherMarkup:
			tokens = append(tokens, fmt.Sprintf("other %v", s.isDoctype()))
		}
	}
}

// tokenized are those of the tokenizer.
func tokenized(page []byte) (tokens []string) {
	z := html.NewTokenizer(bytes.NewReader(page))
	var text bytes.Buffer
	for {
		t := z.Next()
		if t == html.TextToken {
			text.Write(z.Text())
			continue
		}
		if text.Len() > 0 {
			tokens = append(tokens, fmt.Sprintf("text %q", text.Bytes()))
			text.Reset()
		}
		switch token := z.Token(); t {
		case html.ErrorToken:
			return tokens
		case html.StartTagToken, html.SelfClosingTagToken:
			tokens = append(tokens, fmt.Sprintf("start %s %q %v", token.Data, token.Attr, t == html.SelfClosingTagToken))
		case html.EndTagToken:
			tokens = append(tokens, fmt.Sprintf("end %s", token.Data))
		default:
			tokens = append(tokens, fmt.Sprintf("other %v", t == html.DoctypeToken))
		}
	}
}

var scans = []string{
	page,
	`<p a=1 b='2' c="3" d e=/ f/g =h a=2><br/><br / ><x y=z/>`,
	`a<b`, `a<`, `</`, `</p`, `<p`, `<p a`, `<p a="`, `<!`, `<!-`, `<!-->x`, `<!--->x`, `<!-- - -- --!> -->x`, `<!--a--!b-->c`, `<?x>y`, `</>z`, `</ x>z`, `< a`, `1<2 & 3<b>`,
	`<title>a<b>&amp;</titl></TITLE >x`, `<textarea></textarea>`, `<style>&amp;</style>`, `<plaintext></plaintext>`, `<xmp><b></xmp>`,
	`<script>a</script>b`, `<script><!-- </script>b`, `<script><!-- <script> </script> --></script>b`, `<script><!--><script></script>b`,
	`<script><!-- <script> -</script> -- > </script>b`, `<script><!-- <x </script>b`, `<script><!-- < </script><script></script></script>c`, `<script></scriptx></script`, `<noscript><a></noscript>`,
	`<a href="x&amp;y&copy=1&copy;">&copy &copycat &#x41;&#0;&#128;`, "<p\na\n=\n'x\ny'\f>", `<!DOCTYPE html>`, `<!doctypehtml>`, `<!doc`, `<![CDATA[x]]>`, `<a "b'c>d`, `<a b=">" c='>'>`, `<P CLASS=X>`,
}

// The scanner finds what the tokenizer finds.
func FuzzScan(f *testing.F) {
	for _, s := range scans {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		page = newlines(bytes.ReplaceAll(bytes.ToValidUTF8(page, nil), []byte{0}, nil))
		if diff := cmp.Diff(tokenized(page), scanned(page)); diff != "" {
			t.Errorf("%q (-tokenizer +scanner)\n%s", page, diff)
		}
	})
}

// What needs no tree is the same without and with one.
func FuzzStream(f *testing.F) {
	for _, s := range scans {
		f.Add([]byte(s))
	}
	f.Add([]byte(`<table><tr><td>a<p>b<tr><td>c</table><ul><li>a<li>b</ul><dl><dt>a<dd>b</dl><p>x<div>y</div><select><option>1<option>2</select>`))
	f.Add([]byte(`<pre>` + "\n\n" + `x</pre><svg><g class=x><title>t</title></g><path/></svg><ruby>a<rp>b<rt>c</ruby><a href=1>x<a href=2>y`))
	x := everything(f)
	f.Fuzz(func(t *testing.T, page []byte) { checkStream(t, x, page) })
}
