package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// entry is one file of a handmade archive.
type entry struct {
	name, body string
	mode       fs.FileMode
	store      bool
}

func archived(t testing.TB, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.store {
			h.Method = zip.Store
		}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, e.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return onDisk(t, out.Bytes())
}

func onDisk(t testing.TB, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.zip")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree is every file below a folder.
func tree(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func TestTheOnlyFolderOfAnArchiveIsThePackage(t *testing.T) {
	for name, entries := range map[string][]entry{
		".": {{name: "train.py", body: "x"}, {name: "lib/a.py"}, {name: "__MACOSX/._train.py"}, {name: "lib/.DS_Store"}},
		"p": {{name: "p/", mode: fs.ModeDir | 0o755}, {name: "p/train.py", body: "x"}, {name: "p/lib/a.py"}},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		root, found, err := Unpack(archived(t, entries...), dir, Default)
		if err != nil || len(found) > 0 || root != filepath.Join(dir, name) {
			t.Errorf("%s: %s %v %v", name, root, found, err)
		}
		if files := tree(t, root); !slices.Equal(files, []string{"lib/a.py", "train.py"}) {
			t.Errorf("%s: %v", name, files)
		}
	}
}

// Each fault of an archive has its own rule, and nothing of it is left on the disk.
func TestHostileArchivesLeaveNothing(t *testing.T) {
	small := Limits{Files: 10, Bytes: 32 << 20, Ratio: 100, Name: 100, Depth: 4}
	many := make([]entry, 11)
	for i := range many {
		many[i].name = strconv.Itoa(i)
	}
	torn, err := os.ReadFile(archived(t, entry{name: "a", body: strings.Repeat("text", 100)}))
	if err != nil {
		t.Fatal(err)
	}
	wrongSum := bytes.Clone(torn)
	for i := range wrongSum[:60] { // the packed bytes lie behind the name
		if i > 40 {
			wrongSum[i] ^= 0x55
		}
	}
	for rule, path := range map[string]string{
		"archive.path 1":      archived(t, entry{name: "../x"}),
		"archive.path 2":      archived(t, entry{name: "/etc/x"}),
		"archive.path 3":      archived(t, entry{name: "a/../../x"}),
		"archive.path 4":      archived(t, entry{name: `a\..\..\x`}),
		"archive.path 5":      archived(t, entry{name: "C:x"}),
		"archive.path 6":      archived(t, entry{name: "1/2/3/4/5/x"}),
		"archive.path 7":      archived(t, entry{name: "a//x"}),
		"archive.name 1":      archived(t, entry{name: "caf\xe9.py"}),
		"archive.name 2":      archived(t, entry{name: "a\nb"}),
		"archive.name 3":      archived(t, entry{name: "evil\u202egnp.py"}),
		"archive.name 4":      archived(t, entry{name: strings.Repeat("n", 101)}),
		"archive.name 5":      archived(t, entry{name: "a./b"}),
		"archive.link 1":      archived(t, entry{name: "train.py", body: "/etc/passwd", mode: fs.ModeSymlink | 0o777}),
		"archive.link 2":      archived(t, entry{name: "pipe", mode: fs.ModeNamedPipe | 0o600}),
		"archive.collision 1": archived(t, entry{name: "train.py"}, entry{name: "Train.py"}),
		"archive.collision 2": archived(t, entry{name: "caf\u00e9"}, entry{name: "cafe\u0301"}),
		"archive.collision 3": archived(t, entry{name: "a"}, entry{name: "a/b"}),
		"archive.collision 4": archived(t, entry{name: "a/b"}, entry{name: "A/c"}),
		"archive.collision 5": archived(t, entry{name: "x"}, entry{name: "x"}),
		"archive.collision 6": archived(t, entry{name: "stra\u00dfe"}, entry{name: "STRASSE"}),
		"archive.files 1":     archived(t, many...),
		"archive.files 2":     onDisk(t, crowded()),
		"archive.size":        archived(t, entry{name: "a", body: strings.Repeat("\x00", 33<<20)}),
		"archive.bomb 1":      archived(t, entry{name: "a", body: strings.Repeat("\x00", 9<<20)}),
		"archive.bomb 2":      onDisk(t, overlap()),
		"archive.not-a-zip 1": onDisk(t, []byte("hello")),
		"archive.not-a-zip 2": onDisk(t, nil),
		"archive.not-a-zip 3": onDisk(t, torn[:len(torn)-5]),
		"archive.broken":      onDisk(t, wrongSum),
		"archive.method":      onDisk(t, raw(&zip.FileHeader{Name: "a", Method: 12})),
		"archive.encrypted":   onDisk(t, raw(&zip.FileHeader{Name: "a", Flags: encrypted})),
		"archive.broken 2":    onDisk(t, raw(&zip.FileHeader{Name: "a", UncompressedSize64: 5})),
	} {
		want, _, _ := strings.Cut(rule, " ")
		dir := filepath.Join(t.TempDir(), "out")
		root, found, err := Unpack(path, dir, small)
		if err != nil || root != "" || len(found) == 0 {
			t.Errorf("%s: %q %v %v", rule, root, found, err)
		} else if !slices.ContainsFunc(found, func(f contract.Finding) bool { return f.Rule == want && f.Fix != "" && f.Text != "" }) {
			t.Errorf("%s: %+v", rule, found)
		}
		if left := tree(t, filepath.Dir(dir)); len(left) > 0 {
			t.Errorf("%s left %v", rule, left)
		}
	}
}

// raw is an archive of one stored file of one byte whose header says what it likes.
func raw(h *zip.FileHeader) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h.CRC32, h.CompressedSize64 = crc32.ChecksumIEEE([]byte("x")), 1
	if h.UncompressedSize64 == 0 {
		h.UncompressedSize64 = 1
	}
	f, err := w.CreateRaw(h)
	if err == nil {
		_, err = f.Write([]byte("x"))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// crowded is an archive that is a directory of nothing but entries without a name, more
// than should ever be in memory.
func crowded() []byte {
	const header = 46
	entries := maxDirectory/header + 1
	body := bytes.Repeat(append([]byte("PK\x01\x02"), make([]byte, header-4)...), entries)
	end := append([]byte("PK\x05\x06"), make([]byte, 18)...)
	binary.LittleEndian.PutUint16(end[8:], uint16(entries))
	binary.LittleEndian.PutUint16(end[10:], uint16(entries))
	binary.LittleEndian.PutUint32(end[12:], uint32(len(body)))
	return append(body, end...)
}

// What is opened by its directory is still read whole.
func TestTheBoundOfTheDirectoryIsNoneOfTheFiles(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", (maxDirectory+1<<20)/16)
	in, file, err := Open(archived(t, entry{name: "a", body: body, store: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if got, err := fs.ReadFile(in, "a"); err != nil || string(got) != body {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, _, err := Open(onDisk(t, crowded())); !errors.Is(err, ErrDirectory) {
		t.Errorf("%v", err)
	}
}

// overlap is an archive whose two entries have the same packed bytes: the second
// entry of the directory leads to the first file.
func overlap() []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range []string{"a", "b"} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = f.Write([]byte("same bytes"))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	body := out.Bytes()
	second := bytes.LastIndex(body, []byte("PK\x01\x02"))
	copy(body[second+42:second+46], []byte{0, 0, 0, 0}) // where its file begins
	return body
}

// Whatever the bytes are: an answer comes, nothing lies outside, and with a finding
// nothing lies inside.
func FuzzUnpack(f *testing.F) {
	for _, path := range []string{archived(f, entry{name: "a", body: "x"}), archived(f, entry{name: "../a"}, entry{name: "A/b"}), onDisk(f, overlap())} {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		path := onDisk(t, body)
		parent := t.TempDir()
		root, found, err := Unpack(path, filepath.Join(parent, "out"), Limits{Files: 20, Bytes: 1 << 20, Ratio: 50, Name: 50, Depth: 3})
		if err != nil {
			t.Fatal(err)
		}
		if root == "" != (len(found) > 0) {
			t.Errorf("%q %v", root, found)
		}
		for _, name := range tree(t, parent) {
			if len(found) > 0 || !strings.HasPrefix(name, "out/") {
				t.Errorf("%s is left", name)
			}
		}
	})
}
