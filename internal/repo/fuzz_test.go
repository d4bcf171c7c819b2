package repo

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/respin-project/respin/internal/cache"
)

// FuzzScanner holds the scanner against encoding/xml: what the scanner takes
// is what encoding/xml, which is stricter about names and characters, makes of it.
func FuzzScanner(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><!DOCTYPE a><a b="1" c='&lt;"'>x&amp;<!-- c --><d/><![CDATA[<&>]]></a>`))
	f.Add([]byte(compsText))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.ReplaceAll(data, []byte("\r"), nil) // which encoding/xml turns into line ends
		got, err := tokens(bytes.NewReader(data))
		want, wantErr := stdTokens(data)
		if err == nil && wantErr == nil && got != want {
			t.Errorf("got %q, encoding/xml says %q", got, want)
		}
	})
}

// stdTokens is tokens with encoding/xml.
func stdTokens(data []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var b strings.Builder
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return b.String(), nil
		} else if err != nil {
			return b.String(), err
		}
		switch x := token.(type) {
		case xml.StartElement:
			writeStart(&b, x)
		case xml.EndElement:
			b.WriteString("</" + x.Name.Local + ">")
		case xml.CharData:
			b.Write(x)
		}
	}
}

func writeStart(b *strings.Builder, x xml.StartElement) {
	b.WriteString("<" + x.Name.Local)
	for _, a := range x.Attr {
		name := a.Name.Local
		if a.Name.Space != "" {
			name = a.Name.Space + ":" + name
		}
		b.WriteString(" " + name + "=" + strconv.Quote(a.Value))
	}
	b.WriteString(">")
}

func FuzzPrimary(f *testing.F) {
	f.Add([]byte(strings.Replace(primaryText, "SUM", sum, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsePrimary(bytes.NewReader(data), func(p *Package) error {
			if p.Name == "" || strings.ContainsAny(p.NEVRA.FileName(), "/\n\x00") || len(p.Checksum.Hex) < 64 || strings.HasPrefix(p.Location, "/") {
				t.Errorf("package is %+v", p)
			}
			return nil
		})
		eachRaw(bytes.NewReader(data), "metadata", func(raw *rawPackage) {
			if raw.locationStart > raw.locationEnd || raw.locationEnd > len(raw.text) || !bytes.HasPrefix(raw.text, []byte("<")) {
				t.Errorf("raw package is %+v", raw)
			}
		})
		parseFilelists(bytes.NewReader(data), "sha256", func(cache.Digest, []File) error { return nil })
	})
}

func FuzzRepomd(f *testing.F) {
	f.Add([]byte(`<repomd><revision>1</revision><data type="primary"><checksum type="sha256">` + sum + `</checksum><location href="repodata/p.xml"/><size>1</size></data></repomd>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseRepomd(data)
		if err != nil {
			return
		}
		for _, r := range m.records {
			if strings.HasPrefix(r.Location, "/") || len(r.Digest.Hex) < 64 || r.Size < -1 {
				t.Errorf("record is %+v", r)
			}
		}
	})
}

func FuzzMetalink(f *testing.F) {
	f.Add([]byte(`<metalink><files><file name="repomd.xml"><size>1</size><verification><hash type="sha256">` + sum +
		`</hash></verification><resources><url preference="1">https://a.example/repodata/repomd.xml</url></resources></file></files></metalink>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMetalink(data)
		if err == nil && (len(m.bases) == 0 || m.check([]byte("something else")) == nil) {
			t.Errorf("metalink is %+v", m)
		}
		parseMirrorlist(data)
	})
}

func FuzzComps(f *testing.F) {
	f.Add([]byte(compsText))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseComps(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, g := range c.Groups {
			if g.ID == "" || c.Group(g.ID) == nil {
				t.Errorf("group is %+v", g)
			}
		}
	})
}

func FuzzUpdateinfo(f *testing.F) {
	f.Add([]byte(updateinfoText))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseUpdateinfo(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, a := range all {
			if a.ID == "" {
				t.Errorf("advisory is %+v", a)
			}
			a.CVEs()
		}
	})
}
