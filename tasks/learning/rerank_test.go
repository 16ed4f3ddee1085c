package learning_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sparkle/tasks/learning"
)

// English and chinese are passages of which each answers one of the queries
// below.
var (
	english = []learning.Document{
		{ID: "photosynthesis", Text: "Photosynthesis is how green plants turn sunlight, water and carbon dioxide into sugar and oxygen. It happens in the chloroplasts of the leaves."},
		{ID: "respiration", Text: "Cellular respiration breaks sugar down with oxygen and releases energy, water and carbon dioxide. Plants and animals both respire, by day and by night."},
		{ID: "newton2", Text: "Newton's second law says that the force on a body equals its mass times its acceleration: F = ma."},
		{ID: "newton3", Text: "Newton's third law: to every action there is an equal and opposite reaction. A rocket pushes gas down and the gas pushes the rocket up."},
		{ID: "binary-search", Text: "Binary search finds a key in a sorted array by halving the range at every step, so it takes O(log n) comparisons."},
		{ID: "hash-table", Text: "A hash table maps keys to slots with a hash function; a lookup takes constant time on average, whatever the number of keys."},
		{ID: "french-revolution", Text: "The French Revolution began in 1789 with the storming of the Bastille in Paris."},
		{ID: "paris", Text: "Paris is the capital of France and lies on the Seine."},
		{ID: "filler", Text: "What is the best time of the day to study? The answer is in the habit, of which the night is the enemy."},
	}
	chinese = []learning.Document{
		{ID: "光合作用", Text: "光合作用是绿色植物利用光能，把二氧化碳和水合成葡萄糖并释放氧气的过程，发生在叶绿体中。"},
		{ID: "呼吸作用", Text: "呼吸作用把葡萄糖分解成二氧化碳和水，释放能量，植物和动物都进行呼吸作用。"},
		{ID: "牛顿第二定律", Text: "牛顿第二定律指出：物体加速度的大小跟作用力成正比，跟物体的质量成反比，即 F=ma。"},
		{ID: "动量守恒", Text: "如果一个系统不受外力，或者所受外力的矢量和为零，这个系统的总动量保持不变，这就是动量守恒定律。"},
		{ID: "二分查找", Text: "二分查找在有序数组中每次将范围减半，时间复杂度为 O(log n)。"},
		{ID: "哈希表", Text: "哈希表用哈希函数把键映射到槽位，平均查找时间是常数。"},
		{ID: "辛亥革命", Text: "1911年，武昌起义爆发，辛亥革命推翻了清朝的统治。"},
		{ID: "熵", Text: "热力学里，熵度量一个系统的无序程度；孤立系统的熵不会减少。"},
	}
)

func TestRerankPutsTheAnswerFirst(t *testing.T) {
	both := append(slices.Clone(english), chinese...)
	for _, c := range []struct {
		query string
		from  []learning.Document
		want  string
	}{
		{"How do plants turn sunlight into sugar?", english, "photosynthesis"},
		{"what is the capital of France", english, "paris"},
		{"when did the French Revolution begin", english, "french-revolution"},
		{"force mass acceleration", english, "newton2"},
		{"NEWTON'S THIRD LAW", english, "newton3"},
		{"search in a sorted array", english, "binary-search"},
		{"constant time lookup by key hash", english, "hash-table"},
		{"ｐｈｏｔｏｓｙｎｔｈｅｓｉｓ", english, "photosynthesis"}, // full width
		{"光合作用发生在哪里", chinese, "光合作用"},
		{"牛顿第二定律的内容是什么？", chinese, "牛顿第二定律"},
		{"系统不受外力时总动量怎样变化", chinese, "动量守恒"},
		{"有序数组中怎样快速查找", chinese, "二分查找"},
		{"辛亥革命的开端", chinese, "辛亥革命"},
		{"１９１１年发生了什么", chinese, "辛亥革命"},
		{"熵", chinese, "熵"}, // one character
		{"哈希函数 hash", both, "哈希表"},
		{"葡萄糖和氧气 photosynthesis", both, "光合作用"},
	} {
		t.Run(c.query, func(t *testing.T) {
			in := learning.RerankInput{Query: c.query, Documents: c.from}
			if err := in.Validate(); err != nil {
				t.Fatalf("Validate() = %v, want nil", err)
			}
			got, err := learning.Rerank(t.Context(), in)
			if err != nil || got.Status != "success" || len(got.Results) != learning.DefaultTopK {
				t.Fatalf("Rerank(%q) = %+v, %v, want %d results", c.query, got, err, learning.DefaultTopK)
			}
			if first := got.Results[0]; first.ID != c.want || first.Rank != 1 || first.Coverage <= 0 || first.Coverage > 1 {
				t.Errorf("Rerank(%q) = %+v, want %s first", c.query, got.Results, c.want)
			}
		})
	}
}

func TestRerankComputesBM25AndFusion(t *testing.T) {
	got, err := learning.Rerank(t.Context(), learning.RerankInput{
		Query:     "red fox",
		Documents: []learning.Document{{ID: "a", Text: "the red fox"}, {ID: "b", Text: "red red wine"}, {ID: "c", Text: "blue sea"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// By hand: N = 3, lengths 3, 3, 2, mean 8/3; red is in 2 texts, fox in 1.
	red, fox := math.Log(1+1.5/2.5), math.Log(1+2.5/1.5)
	norm := 1.2 * (1 - 0.75 + 0.75*3/(8.0/3))
	want := []learning.Ranked{
		{ID: "a", Rank: 1, Score: 2.0 / 61, BM25: (red + fox) * 2.2 / (1 + norm), Coverage: 1},
		{ID: "b", Rank: 2, Score: 2.0 / 62, BM25: red * 2 * 2.2 / (2 + norm), Coverage: red / (red + fox)},
		{ID: "c", Rank: 3},
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := cmp.Diff(want, got.Results, near); diff != "" {
		t.Errorf("results differ (-want +got):\n%s", diff)
	}
}

func TestRerankBreaksTiesByInputOrder(t *testing.T) {
	in := learning.RerankInput{Query: "fox", Documents: []learning.Document{
		{ID: "none1", Text: "sea"}, {ID: "z", Text: "a fox"}, {ID: "none2"}, {ID: "a", Text: "a fox"},
	}}
	got, err := learning.Rerank(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range got.Results {
		order = append(order, fmt.Sprintf("%s %.5f", r.ID, r.Score))
	}
	want := []string{"z 0.03279", "a 0.03279", "none1 0.00000", "none2 0.00000"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
}

func TestRerankOfNothing(t *testing.T) {
	for _, documents := range [][]learning.Document{nil, {{ID: "empty"}}} {
		got, err := learning.Rerank(t.Context(), learning.RerankInput{Query: "fox", Documents: documents})
		if err != nil || got.Results == nil || len(got.Results) != len(documents) {
			t.Errorf("Rerank of %d empty documents = %+v, %v, want as many results", len(documents), got, err)
		}
	}
}

func TestRerankEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStore)
	if _, err := learning.Rerank(ctx, learning.RerankInput{Query: "fox", Documents: english}); !errors.Is(err, errStore) {
		t.Errorf("Rerank under a cancelled context = %v, want its cause", err)
	}
}

func TestRerankInputNamesTheBadField(t *testing.T) {
	many := make([]learning.Document, learning.MaxDocuments+1)
	for i := range many {
		many[i].ID = fmt.Sprint(i)
	}
	one := func(d learning.Document) []learning.Document { return []learning.Document{{ID: "a"}, d} }
	for _, c := range []struct {
		name, field string
		in          learning.RerankInput
	}{
		{"no query", "query", learning.RerankInput{}},
		{"no word in the query", "query", learning.RerankInput{Query: "?!… \u0301"}},
		{"long query", "query", learning.RerankInput{Query: strings.Repeat("长", learning.MaxQuery+1)}},
		{"negative top_k", "top_k", learning.RerankInput{Query: "q", TopK: -1}},
		{"large top_k", "top_k", learning.RerankInput{Query: "q", TopK: learning.MaxTopK + 1}},
		{"many documents", "documents", learning.RerankInput{Query: "q", Documents: many}},
		{"no id", "documents[1].id", learning.RerankInput{Query: "q", Documents: one(learning.Document{})}},
		{"same id", "documents[1].id", learning.RerankInput{Query: "q", Documents: one(learning.Document{ID: "a"})}},
		{"long text", "documents[1].text", learning.RerankInput{Query: "q", Documents: one(learning.Document{
			ID: "b", Text: strings.Repeat("x", learning.MaxDocumentText+1),
		})}},
	} {
		t.Run(c.name, func(t *testing.T) { wantInvalid(t, c.in.Validate(), c.field) })
	}
	full := learning.RerankInput{
		Query: strings.Repeat("长", learning.MaxQuery), TopK: learning.MaxTopK,
		Documents: append(many[:learning.MaxDocuments-1:learning.MaxDocuments-1], learning.Document{ID: "x", Text: strings.Repeat("文", learning.MaxDocumentText)}),
	}
	if err := full.Validate(); err != nil {
		t.Errorf("Validate at all limits = %v, want nil", err)
	}
}

// Texts draws text in which terms meet often, with marks, widths and kana.
var texts = rapid.StringOfN(rapid.SampledFrom([]rune("abcAB １ａ é\u0301 力学光合作用ーカ，.!")), 0, 60, -1)

func drawInput(t *rapid.T) learning.RerankInput {
	in := learning.RerankInput{
		Query: "a力学" + texts.Draw(t, "query"),
		TopK:  rapid.IntRange(1, learning.MaxTopK).Draw(t, "top_k"),
	}
	for i, text := range rapid.SliceOfN(texts, 0, 12).Draw(t, "texts") {
		in.Documents = append(in.Documents, learning.Document{ID: fmt.Sprint(i), Text: text})
	}
	return in
}

func rerank(t *rapid.T, in learning.RerankInput) []learning.Ranked {
	t.Helper()
	got, err := learning.Rerank(context.Background(), in)
	if err != nil {
		t.Fatalf("Rerank(%+v) = %v, want nil", in, err)
	}
	return got.Results
}

func TestRerankScoresIgnoreInputOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		in.TopK = learning.MaxTopK
		byID := func(a, b learning.Ranked) int { return strings.Compare(a.ID, b.ID) }
		want := slices.SortedFunc(slices.Values(rerank(t, in)), byID)
		in.Documents = rapid.Permutation(in.Documents).Draw(t, "permuted")
		got := slices.SortedFunc(slices.Values(rerank(t, in)), byID)
		for i := range want { // ranks of ties do depend on the order
			want[i].Rank, got[i].Rank = 0, 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("scores differ after a permutation (-want +got):\n%s", diff)
		}
	})
}

func TestRerankTopKIsAPrefixOfTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		top := rerank(t, in)
		k := in.TopK
		in.TopK = learning.MaxTopK
		all := rerank(t, in)
		if len(all) != len(in.Documents) || len(top) != min(k, len(all)) {
			t.Fatalf("got %d of %d results for top_k %d", len(top), len(all), k)
		}
		if diff := cmp.Diff(all[:len(top)], top); diff != "" {
			t.Fatalf("top %d is not a prefix (-want +got):\n%s", k, diff)
		}
		for i, r := range all {
			if r.Rank != i+1 || i > 0 && r.Score > all[i-1].Score || r.Score < 0 || r.Coverage < 0 || r.Coverage > 1+1e-9 || math.IsNaN(r.BM25) {
				t.Fatalf("result %d is %+v after %+v", i, r, all[:i])
			}
		}
	})
}

func BenchmarkRerank100(b *testing.B) {
	for name, documents := range map[string][]learning.Document{"english": english, "chinese": chinese} {
		in := learning.RerankInput{Query: "How do green plants turn sunlight into sugar?"}
		if name == "chinese" {
			in.Query = "绿色植物怎样利用光能合成葡萄糖？"
		}
		size := 0
		for i := range 100 {
			var text strings.Builder
			for j := range 10 {
				text.WriteString(documents[(i+j*j)%len(documents)].Text)
			}
			size += text.Len()
			in.Documents = append(in.Documents, learning.Document{ID: fmt.Sprint(i), Text: text.String()})
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := learning.Rerank(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
