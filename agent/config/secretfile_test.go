package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecretIsOneLineOfText(t *testing.T) {
	for name, c := range map[string]struct{ in, want, says string }{
		"plain":                   {"hush-hush", "hush-hush", ""},
		"a line's end":            {" hush-hush\r\n\n", "hush-hush", ""},
		"a UTF-8 mark":            {"\ufeffhush-hush\n", "hush-hush", ""},
		"empty":                   {" \n", "", "it is empty"},
		"two lines":               {"hush\nhush\n", "", "it has 2 lines"},
		"old Mac's lines":         {"hush\rhush", "", "lines"},
		"UTF-16, little":          {"\xff\xfeh\x00u\x00s\x00h\x00", "", "UTF-16"},
		"UTF-16, big":             {"\xfe\xff\x00h\x00u\x00s\x00h", "", "UTF-16"},
		"UTF-16 without its mark": {"h\x00u\x00s\x00h\x00", "", "UTF-16"},
		"NUL":                     {"hush-hush-hush\x00", "", "NUL"},
		"escape":                  {"hush\x1bhush", "", "byte 5 is a control character"},
		"Latin-1":                 {"h\xfcsh", "", "not UTF-8"},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSecretFile(path)
		if got != c.want || (err == nil) != (c.says == "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "hush")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASecretThatCannotBeSentIsAProblemAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("hush\nhush"), 0o600); err != nil {
		t.Fatal(err)
	}
	for variable, value := range map[string]string{"CALLBACK_TOKEN_FILE": path, "CALLBACK_TOKEN": "hush\nhush"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			_, problems := Load()
			for _, p := range problems {
				if p.Variable == variable && strings.Contains(p.Expected, "it has 2 lines") && !strings.Contains(p.String(), "hush") {
					return
				}
			}
			t.Errorf("%v", problems)
		})
	}
}

func FuzzSecretText(f *testing.F) {
	f.Add([]byte("token\n"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := secretText(b)
		if (err == nil) != (text != "") || strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("%q gave %q, %v", b, text, err)
		}
	})
}
