package learning

import (
	"fmt"

	"sparkle/tasks"
)

// Samples returns tasks of every type with the content a learner might cause,
// in English and Chinese, for demonstrations. Their order and payloads never
// change, so the second demonstration on one ledger finds its usage recorded
// already.
func Samples() ([]tasks.Task, error) {
	usage, err := newTasks(RecordTokenUsage, sampleUsage()...)
	if err != nil {
		return nil, err
	}
	reranks, err := newTasks(RerankDocuments, sampleReranks()...)
	if err != nil {
		return nil, err
	}
	graphs, err := newTasks(VisualizeGraph, sampleGraphs()...)
	if err != nil {
		return nil, err
	}
	samples := append(append(usage, reranks...), graphs...)
	for i := range samples {
		samples[i].User = sampleUser
	}
	return samples, nil
}

const sampleUser = "learner-7"

func newTasks[In, Out any](t tasks.Type[In, Out], inputs ...In) ([]tasks.Task, error) {
	made := make([]tasks.Task, len(inputs))
	for i, in := range inputs {
		task, err := t.New(in)
		if err != nil {
			return nil, fmt.Errorf("make sample %d of %s: %w", i, t.Name, err)
		}
		made[i] = task
	}
	return made, nil
}

func sampleUsage() []TokenUsage {
	told := 0.000375
	return []TokenUsage{
		{
			UserID: sampleUser, SessionID: "newton-evening", RequestID: "req-explain-inertia",
			PromptTokens: 812, CompletionTokens: 344, Model: "gpt-4-turbo",
		},
		{
			UserID: sampleUser, SessionID: "newton-evening", RequestID: "req-translate-title",
			PromptTokens: 900, CompletionTokens: 400, Model: "qwen-plus", Cost: &told,
		},
	}
}

func sampleReranks() []RerankInput {
	return []RerankInput{
		{
			Query: "Why does ice float on water?",
			Documents: []Document{
				{"boiling", "Water boils at 100 °C at sea level; on a mountain it boils earlier, because the air presses less."},
				{"density", "Ice floats on water because water expands as it freezes: the crystal keeps molecules further apart, so ice is about 9 % less dense."},
				{"buoyancy", "A ship of steel can float: the water it displaces weighs as much as the whole ship."},
				{"glaciers", "Glaciers are rivers of ice that carve valleys over thousands of years."},
			},
			TopK: 3,
		},
		{
			Query: "光合作用的产物是什么？",
			Documents: []Document{
				{"呼吸", "呼吸作用消耗氧气，分解有机物并释放能量，细胞在白天和夜晚都进行呼吸。"},
				{"光合", "光合作用是绿色植物利用光能，把二氧化碳和水合成有机物的过程，它的产物是葡萄糖和氧气。"},
				{"折射", "光从空气斜射入水中时会发生折射，传播方向偏向法线。"},
				{"食物链", "生产者、消费者和分解者通过食物链联系在一起。"},
			},
			TopK: 2,
		},
	}
}

func sampleGraphs() []Visualization {
	return []Visualization{
		{UserID: sampleUser, GraphData: GraphData{
			Nodes: []GraphNode{
				{"force", "力"}, {"inertia", "惯性与牛顿第一定律"}, {"second", "牛顿第二定律 F = ma"},
				{"momentum", "动量守恒"}, {"collision", "碰撞问题"}, {"energy", "动能定理"},
			},
			Edges: []GraphEdge{
				{"force", "inertia", "先修"}, {"force", "second", "先修"}, {"inertia", "second", ""},
				{"second", "momentum", "推导"}, {"second", "energy", "推导"},
				{"momentum", "collision", "应用"}, {"energy", "collision", "应用"},
			},
		}},
		{UserID: sampleUser, GraphData: GraphData{
			Nodes: []GraphNode{
				{"limit", "Limit"}, {"derivative", "Derivative"}, {"integral", "Integral"},
				{"ftc", "Fundamental theorem of calculus"}, {"series", "Taylor series"},
			},
			Edges: []GraphEdge{
				{"limit", "derivative", "prerequisite"}, {"limit", "integral", "prerequisite"},
				{"derivative", "ftc", "prerequisite"}, {"integral", "ftc", "prerequisite"},
				{"derivative", "series", "application"}, {"series", "derivative", "evolution"},
			},
		}},
	}
}
