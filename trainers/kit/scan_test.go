package kit

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

func FuzzScanSecrets(f *testing.F) {
	f.Add([]byte("KEY = 'AKIA" + "ABCDEFGHIJKLMNOP'"))
	f.Add([]byte("\xff\xfeA\x00K\x00I\x00A\x00"))
	f.Add(bytes.Repeat([]byte("\n"), window+1))
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := scanSecrets(bytes.NewReader(body), "x")
		if err != nil {
			t.Fatal(err)
		}
		slow, err := scanSecrets(iotest.HalfReader(bytes.NewReader(body)), "x")
		if err != nil || len(slow) != len(found) || len(found) > len(secretPatterns()) {
			t.Errorf("%v, in pieces %v (%v)", found, slow, err)
		}
		for _, one := range found {
			if one.File != "x" || one.Line < 1 || one.Fix == "" {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestAKeyAcrossTwoWindowsIsFoundOnItsLine(t *testing.T) {
	key := "AKIA" + "ABCDEFGHIJKLMNOP"
	lines := (window - 10) / 8
	body := strings.Repeat("a line.\n", lines) + strings.Repeat(" ", window-10-8*lines) + key
	found, err := scanSecrets(strings.NewReader(body+"\n"), "x")
	if err != nil || len(found) != 1 || found[0].Line != lines+1 {
		t.Errorf("%v %v", found, err)
	}
}
