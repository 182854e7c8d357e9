package text

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// TestNamesAreReadInTheirCodePage: each line is what one archive or list holds, as
// few names as real ones have.
func TestNamesAreReadInTheirCodePage(t *testing.T) {
	for _, c := range []struct {
		page  string
		enc   encoding.Encoding
		names string
	}{
		{"GBK", simplifiedchinese.GBK, "猫/0.jpg 狗/0.jpg"},
		{"GBK", simplifiedchinese.GBK, "汽车/IMG_1.jpg 行人/IMG_2.jpg"},
		{"GBK", simplifiedchinese.GBK, "苹果.jpg 香蕉.jpg 葡萄.jpg"},
		{"GBK", simplifiedchinese.GBK, "新建文件夹/images/1.jpg"},
		{"GBK", simplifiedchinese.GBK, "训练集/正常/001.png 训练集/缺陷/001.png 测试集/正常/002.png"},
		{"GBK", simplifiedchinese.GBK, "数据集/图片/微信图片_20230101.jpg"},
		{"GBK", simplifiedchinese.GBK, "安全帽 反光衣 人"},
		{"cp949", korean.EUCKR, "고양이/1.jpg 개/1.jpg"},
		{"cp949", korean.EUCKR, "images/한글 사진.jpg"},
		{"cp949", korean.EUCKR, "자동차/0.jpg 사람/0.jpg 자전거/1.jpg"},
		{"cp949", korean.EUCKR, "새 폴더/데이터/불량/균열_01.png 새 폴더/데이터/정상/01.png"},
		{"cp949", korean.EUCKR, "강아지.jpg"},
		{"cp949", korean.EUCKR, "헬멧 조끼 작업자"},
		{"Shift-JIS", japanese.ShiftJIS, "猫/1.jpg 犬/1.jpg"},
		{"Shift-JIS", japanese.ShiftJIS, "写真/りんご.jpg 写真/みかん.jpg"},
		{"Shift-JIS", japanese.ShiftJIS, "新しいフォルダー/画像1.jpg"},
		{"Shift-JIS", japanese.ShiftJIS, "学習データ/不良品/001.png 学習データ/良品/002.png"},
		{"Shift-JIS", japanese.ShiftJIS, "表示.jpg ソース.jpg"}, // their bytes hold a backslash
		{"Shift-JIS", japanese.ShiftJIS, "ネコ イヌ トリ"},
		{"Big5", traditionalchinese.Big5, "貓/1.jpg 狗/1.jpg"},
		{"Big5", traditionalchinese.Big5, "圖片/蘋果.jpg 圖片/葡萄.jpg"},
		{"Big5", traditionalchinese.Big5, "新增資料夾/訓練/1.jpg 新增資料夾/測試/2.jpg"},
		{"Big5", traditionalchinese.Big5, "臺灣/臺北/車輛.jpg"},
		{"Big5", traditionalchinese.Big5, "正常 異常 裂縫"},
		{"cp866", charmap.CodePage866, "кошка/1.jpg собака/1.jpg"},
		{"cp866", charmap.CodePage866, "Фото/Новая папка/Изображение 1.jpg"},
		{"cp866", charmap.CodePage866, "машина.jpg"},
		{"Windows-1251", charmap.Windows1251, "кошка\nсобака\nчеловек\n"},
		{"Windows-1251", charmap.Windows1251, "Автомобиль Пешеход"},
		{"Windows-1252", charmap.Windows1252, "café\nnaïve\ngarçon\n"},
		{"Windows-1252", charmap.Windows1252, "Käfer/1.jpg Vögel/2.jpg"},
		{"Windows-1252", charmap.Windows1252, "señal peatón"},
		{"cp437", charmap.CodePage437, "café/naïve.jpg"},
		{"cp437", charmap.CodePage437, "Käfer/1.jpg Vögel/2.jpg"},
		{"cp437", charmap.CodePage437, "Übung/größe.png"},
	} {
		raw, err := c.enc.NewEncoder().Bytes([]byte(c.names))
		if err != nil {
			t.Fatalf("%q: %v", c.names, err)
		}
		var g Guess
		for name := range bytes.FieldsSeq(raw) {
			g.Look(name)
		}
		if p := g.Page(); p.Name != c.page || string(p.Decode(raw)) != c.names {
			scores := map[string]int{}
			for i, p := range pages {
				scores[p.Name] = g.scores[i]
			}
			t.Errorf("%q in %s was read as %s: %q, %v", c.names, c.page, p.Name, p.Decode(raw), scores)
		}
	}
}

func TestUTF8IsNoEvidence(t *testing.T) {
	var g Guess
	g.Look([]byte("고양이"))
	g.Look([]byte("plain.jpg"))
	if g.Page() != nil {
		t.Errorf("read as %s", g.Page().Name)
	}
}

// TestFilesAreReadAsWhatTheyAre, with and without a mark.
func TestFilesAreReadAsWhatTheyAre(t *testing.T) {
	const names = "cat\r\ndog\r\n고양이\r\n"
	utf16 := func(e unicode.Endianness, b unicode.BOMPolicy) []byte {
		out, err := unicode.UTF16(e, b).NewEncoder().Bytes([]byte(names))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		content  []byte
		encoding string
	}{
		"UTF-8":                      {[]byte(names), UTF8},
		"UTF-8 with a mark":          {[]byte("\ufeff" + names), UTF8},
		"UTF-16LE with a mark":       {utf16(unicode.LittleEndian, unicode.UseBOM), UTF16LE},
		"UTF-16BE with a mark":       {utf16(unicode.BigEndian, unicode.UseBOM), UTF16BE},
		"UTF-16LE without":           {utf16(unicode.LittleEndian, unicode.IgnoreBOM), UTF16LE},
		"UTF-16BE without":           {utf16(unicode.BigEndian, unicode.IgnoreBOM), UTF16BE},
		"cp949, as Notepad saved it": {must(korean.EUCKR.NewEncoder().Bytes([]byte(names))), "cp949"},
	} {
		if text, encoding := Decode(c.content); text != names || encoding != c.encoding {
			t.Errorf("%s: %q as %s", name, text, encoding)
		}
		if c.encoding == "cp949" {
			continue
		}
		text, err := io.ReadAll(NewReader(iotest.OneByteReader(bytes.NewReader(c.content))))
		if err != nil || string(text) != names {
			t.Errorf("%s, as a stream: %q, %v", name, text, err)
		}
	}
	for short, want := range map[string]string{"": "", "a": "a", "ab": "ab", "abc": "abc", "\xff\xfe": "", "\xef\xbb\xbf": ""} {
		if text, _ := Decode([]byte(short)); text != want {
			t.Errorf("%q is %q", short, text)
		}
	}
	if text, _ := Decode(must(utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM).NewEncoder().Bytes([]byte("cat")))); text == "" {
		t.Error("nothing")
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestAStreamThatFailsFails and does not end as if it were whole.
func TestAStreamThatFailsFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := io.ReadAll(NewReader(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := io.ReadAll(NewReader(io.MultiReader(strings.NewReader(strings.Repeat("x", 2000)), iotest.ErrReader(broken)))); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xff\xfec\x00a\x00t\x00"))
	f.Add([]byte("\xc3\xa8\xb9\xb7 \x82\xa0\x5c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, encoding := Decode(b)
		if encoding == "" || strings.ToValidUTF8(text, "") != text {
			t.Fatalf("%q as %s", text, encoding)
		}
	})
}

// TestThreeNamesAreEnough, of words that the lists of common ones do not have. Of
// one short name alone nobody can tell.
func TestThreeNamesAreEnough(t *testing.T) {
	wrong, alone := 0, 0
	for _, c := range []struct {
		page  string
		enc   encoding.Encoding
		words []string
	}{
		{"GBK", simplifiedchinese.GBK, []string{"松鼠", "刺猬", "蜥蜴", "皮卡丘", "挖掘机", "螺栓", "浏览器", "榴莲", "麻雀", "喜鹊", "坦克", "韭菜", "绝缘子", "叉车", "仪表盘", "裂纹", "起重机"}},
		{"cp949", korean.EUCKR, []string{"다람쥐", "고슴도치", "도마뱀", "굴착기", "나사", "참새", "까치", "탱크", "지게차", "크레인", "절연체", "계기판", "스크래치", "찍힘"}},
		{"Shift-JIS", japanese.ShiftJIS, []string{"松鼠", "リス", "蜥蜴", "雀", "掘削機", "戦車", "亀裂", "桜", "傘", "ひび割れ", "錆"}},
		{"Big5", traditionalchinese.Big5, []string{"松鼠", "刺蝟", "蜥蜴", "挖土機", "螺絲", "麻雀", "坦克", "堆高機", "絕緣子", "儀表板", "裂紋"}},
		{"cp866", charmap.CodePage866, []string{"белка", "ёж", "ящерица", "ЭКСКАВАТОР", "Танк", "вилы", "Воробей", "Трещина"}},
		{"Windows-1251", charmap.Windows1251, []string{"белка", "ящерица", "ЭКСКАВАТОР", "Танк", "вилы", "Трещина"}},
		{"Windows-1252", charmap.Windows1252, []string{"écureuil", "hérisson", "Größe", "niño", "São", "FAÇADE"}},
	} {
		for i := range c.words {
			var one, three Guess
			for k := range 3 {
				raw, err := c.enc.NewEncoder().Bytes([]byte(c.words[(i+k)%len(c.words)]))
				if err != nil {
					t.Fatal(err)
				}
				three.Look(raw)
				if k == 0 {
					one.Look(raw)
				}
			}
			if one.Page() == nil {
				continue // by chance it is UTF-8 too
			}
			if got := three.Page(); got.Name != c.page {
				t.Errorf("%s was read as %s", c.words[i], got.Name)
			}
			if alone++; one.Page().Name != c.page {
				wrong++
			}
		}
	}
	if wrong*5 > alone {
		t.Errorf("%d of %d single names are read wrong", wrong, alone)
	}
}

// TestAFileOfAnyLengthIsReadInItsPage: where its first letters beyond ASCII stand
// far behind, and where blocks are cut in a character.
func TestAFileOfAnyLengthIsReadInItsPage(t *testing.T) {
	for _, pad := range []int{0, 1, 100, 1<<18 - 3, 1<<18 - 2, 1<<18 - 1, 1 << 18, 1<<18 + 1, 1 << 20} {
		plain := `{"pad": "` + strings.Repeat("x", pad) + `", "name": "고양이", "other": "강아지 사진"}`
		for want, raw := range map[string][]byte{"": []byte(plain), "cp949": must(korean.EUCKR.NewEncoder().Bytes([]byte(plain)))} {
			r, page, err := NewFileReader(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || page != want || string(got) != plain {
				t.Errorf("pad %d: page %q, want %q, %d bytes, %v", pad, page, want, len(got), err)
			}
		}
		wide := strings.Repeat("가", pad) // without a quote
		if _, page, err := NewFileReader(strings.NewReader(wide)); page != "" || err != nil {
			t.Errorf("%d characters of UTF-8 are read as %s, %v", pad, page, err)
		}
	}
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0" encoding="gb2312"?><a>` + "\xc3\xa8</a>"))
	f.Add([]byte(`<?xml encoding='utf-16'?>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, _ := DecodeXML(b); len(out) > 4*len(b)+4 {
			t.Errorf("%d bytes of %d", len(out), len(b))
		}
	})
}
