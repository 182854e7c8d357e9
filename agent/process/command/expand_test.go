package command

import (
	"slices"
	"strings"
	"testing"
)

func TestExpandDoesAsTheKubeletDoes(t *testing.T) {
	env := []string{"VAR_A=A", "VAR_B=B", "VAR_C=C", "VAR_REF=$(VAR_A)", "VAR_EMPTY=", `CONFIG_JSON={"lr": 0.1}`}
	// The cases of Kubernetes' own expansion_test.go, and ours.
	cases := []struct{ in, want string }{
		{"$(VAR_A)", "A"},
		{"___$(VAR_B)___", "___B___"},
		{"___$(VAR_C)", "___C"},
		{"$(VAR_A)-$(VAR_A)", "A-A"},
		{"$(VAR_A)-1", "A-1"},
		{"$(VAR_A)_$(VAR_B)_$(VAR_C)", "A_B_C"},
		{"$$(VAR_B)_$(VAR_A)", "$(VAR_B)_A"},
		{"$$(VAR_A)_$$(VAR_B)", "$(VAR_A)_$(VAR_B)"},
		{"f000-$$VAR_A", "f000-$VAR_A"},
		{"foo\\$(VAR_C)bar", "foo\\Cbar"},
		{"foo\\\\$(VAR_C)bar", "foo\\\\Cbar"},
		{"$(VAR_A$(VAR_B)", "$(VAR_A$(VAR_B)"},
		{"$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"},
		{"$$$$$$(VAR_A)", "$$$(VAR_A)"},
		{"$$$$$$$(GOOD_ODDS)", "$$$$(GOOD_ODDS)"},
		{"$$$$$$$(VAR_A)", "$$$A"},
		{"$VAR_A)", "$VAR_A)"},
		{"${VAR_A}", "${VAR_A}"},
		{"$(VAR_B)_______$(A", "B_______$(A"},
		{"$(C_ACCOUNT)", "$(C_ACCOUNT)"},
		{"foobarbaz", "foobarbaz"},
		{"$(", "$("},
		{"$", "$"},
		{"$$", "$"},
		{"foo$", "foo$"},
		{"$()", "$()"},
		{"$(VAR_REF)", "$(VAR_A)"},
		{"x$(VAR_EMPTY)y", "xy"},
		{"--config=$(CONFIG_JSON)", `--config={"lr": 0.1}`},
	}
	for _, c := range cases {
		if got := Expand([]string{c.in}, env); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s gives %q, want %s", c.in, got, c.want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("$(A)$$(A)$(B)$(")
	f.Fuzz(func(t *testing.T, in string) {
		if got := Expand([]string{in}, nil)[0]; got != strings.ReplaceAll(in, "$$", "$") && !strings.Contains(in, "$(") {
			t.Errorf("%q without any reference gives %q", in, got)
		}
		doubled := strings.ReplaceAll(in, "$", "$$")
		if got := Expand([]string{doubled}, []string{"A=1"})[0]; got != in {
			t.Errorf("escaping %q does not bring it back: %q", in, got)
		}
	})
}

func TestMissingNamesOnlySettings(t *testing.T) {
	args := []string{"--a=$(HAVE)", "$(NO_SUCH)", "x$$(ESCAPED)", "$(date)$(NO_SUCH)$(", "$(OTHER_1)"}
	if got := Missing(args, []string{"HAVE=1"}); !slices.Equal(got, []string{"NO_SUCH", "OTHER_1"}) {
		t.Errorf("%q", got)
	}
}
