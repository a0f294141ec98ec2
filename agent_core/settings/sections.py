"""The sections of the ini file, a frozen dataclass each; each field with its default and its range."""

from dataclasses import dataclass
from pathlib import Path

from agent_core.settings.fields import number, path, text


@dataclass(frozen=True)
class RunConfig:
    task: str = text("hello_world", allowed="built-in tasks, rungs, paths of task files or folders, ladder, or play")
    seed: int = number(0, 0, 2**32 - 1)
    device: str = text("auto", r"auto|cpu|mps|cuda(:\d{1,3})?", "auto, cpu, cuda, cuda:N or mps")
    threads: int = number(0, 0, 1_024)
    max_attempts: int = number(100_000, 1, 10**12)
    visit_attempts: int = number(2_000, 1, 10**12)
    again_share: float = number(0.1, 0, 0.5)
    stop_on_success: bool = True
    polish_attempts: int = number(5_000, 0, 10**12)
    save_every: int = number(10_000, 1, 10**12)
    show_every: int = number(50, 0, 10**9)


@dataclass(frozen=True)
class ModelConfig:
    embedding_dim: int = number(32, 1, 4_096)
    hidden_dim: int = number(64, 1, 8_192)
    num_layers: int = number(1, 1, 16)


@dataclass(frozen=True)
class GeneratorConfig:
    batch_size: int = number(256, 1, 1_000_000)
    max_length: int = number(48, 1, 4_096)
    legal_tokens_only: bool = True


@dataclass(frozen=True)
class OptimizerConfig:
    learning_rate: float = number(3e-3, above=0, high=10)
    gradient_clip: float = number(1.0, above=0, high=1e9)


@dataclass(frozen=True)
class LearningConfig:
    entropy_weight: float = number(0.01, 0, 10)
    advantage_floor: float = number(0.1, above=0, high=1)
    epsilon: float = number(0.3, 0, 0.9)
    class_balance: float = number(0.5, 0, 1)
    grammar_weights: bool = True
    type_weight: float = number(3.0, 0, 20)
    name_weight: float = number(2.0, 0, 20)
    fresh_length_budget: float = number(8.0, 0, 1_000)
    imitation_weight: float = number(0.3, 0, 10)
    elites: int = number(32, 0, 10_000)
    elites_per_niche: int = number(1, 1, 10_000)
    recursive_elites: int = number(14, 0, 10_000)
    length_price: float = number(0.005, 0, 1)
    novelty: float = number(0.3, 0, 1)
    mutation_share: float = number(0.5, 0, 1)
    inner_share: float = number(0.5, 0, 1)
    mutation_length_budget: float = number(4.0, 0, 1_000)
    crossover_share: float = number(0.0, 0, 1)
    restart_after: int = number(30_000, 0, 10**12)


@dataclass(frozen=True)
class ExecutorConfig:
    workers: int = number(0, 0, 1_024)
    overlap: bool = True
    max_steps: int = number(10_000, 1, 10**9)
    memory_mb: int = number(256, 32, 1_048_576)
    timeout_seconds: float = number(2.0, above=0, high=3_600)
    max_output: int = number(4_000, 1, 10_000_000)
    jail: str = text("auto", "auto|strict|limits", "auto, strict or limits")


@dataclass(frozen=True)
class ScorerConfig:
    memory_limit: int = number(50_000, 0, 10**9)
    running: float = number(0.05, 0, 0.5)
    trend: float = number(0.6, 0, 1)
    closeness: float = number(0.25, 0, 1)
    right_type: float = number(0.1, 0, 1)
    constants_pay: bool = False


@dataclass(frozen=True)
class MindConfig:
    embedding_dim: int = number(48, 1, 4_096)
    hidden_dim: int = number(128, 1, 8_192)
    num_layers: int = number(1, 1, 16)
    feature_dim: int = number(80, 2, 4_096)
    encoder_dim: int = number(160, 1, 8_192)
    context_dim: int = number(96, 2, 4_096)
    learning_rate: float = number(1.5e-3, above=0, high=10)
    batch_size: int = number(256, 1, 1_000_000)
    hidden_share: float = number(0.08, 0, 1)
    length_weight: float = number(0.88, above=0, high=1)
    places_share: float = number(0.1, 0, 1)
    behaviours: int = number(100_000, 100, 10**7)
    start_tasks: bool = True
    blind_share: float = number(0.25, 0, 1)
    cold_restarts: bool = True
    task_learning_rate: float = number(1e-3, above=0, high=10)
    task_learn_every: int = number(1_024, 0, 10**12)
    recall: int = number(2_000, 0, 10**6)
    recall_share: float = number(0.1, 0, 0.9)


@dataclass(frozen=True)
class PlayConfig:
    signatures: int = number(64, 1, 10_000)
    batch_size: int = number(1_024, 1, 1_000_000)
    chance_share: float = number(0.1, 0, 1)
    mutation_share: float = number(0.4, 0, 1)
    transfer_share: float = number(0.1, 0, 1)
    print_share: float = number(0.05, 0, 1)
    temperature: float = number(1.2, above=0, high=100)
    max_steps: int = number(1_500, 1, 10**9)
    learn_every: int = number(256, 1, 10**9)
    look_every: int = number(200_000, 0, 10**12)


@dataclass(frozen=True)
class PathsConfig:
    vocabulary: Path = path("memory/vocab.json", shipped=True)
    grammar: Path = path("agent_core/python.grammar", shipped=True)
    model_state: Path = path("memory/model_state.pth")
    optimizer_state: Path = path("memory/optimizer_state.pth")
    run_state: Path = path("memory/run_state.pth")
    runs: Path = path("memory/runs")
