"""A training's configuration as the arguments of TRL's GRPOConfig."""

from typing import Any

from trl.trainer.grpo_config import GRPOConfig

from services.command_line.failures import Failure
from services.trainer.config import TrainerConfig, VllmColocate, VllmServer

SETTLED_BY_PROMPTS = {"generation_batch_size", "steps_per_generation"}


def grpo_config(config: TrainerConfig, processes: int, on_gpu: bool, resuming: bool) -> GRPOConfig:
    """TRL's configuration for so many processes.

    Raises `Failure` if a step's rollouts cannot be shared out among the processes, or `training.trl` names an
    argument that TRL does not know or that another member of the configuration settles.
    """
    arguments = {
        **_training(config, processes, on_gpu),
        **_rollouts(config),
        **_evaluation(config, resuming),
        **_bookkeeping(config),
    }
    further = config.training.trl
    for name in further:
        if name in arguments or name in SETTLED_BY_PROMPTS:
            raise Failure(f"training.trl.{name}: is settled elsewhere in the configuration")
    defaults = {"logging_steps": 1, "report_to": [], "disable_dropout": True, "disable_tqdm": True}
    try:
        return GRPOConfig(**(defaults | arguments | further))
    except (TypeError, ValueError) as error:
        raise Failure(f"training: TRL's GRPOConfig says: {error}") from error


def _training(config: TrainerConfig, processes: int, on_gpu: bool) -> dict[str, Any]:
    training = config.training
    at_once = training.device_batch * processes
    rollouts = training.prompts * training.rollouts
    if rollouts % at_once:
        raise Failure(
            f"training.device_batch: got {training.device_batch} with {processes} processes; together, {at_once}, "
            f"they must divide prompts × rollouts, which is {rollouts}"
        )
    return {
        "max_steps": training.steps,
        "per_device_train_batch_size": training.device_batch,
        "gradient_accumulation_steps": rollouts // at_once,
        "num_generations": training.rollouts,
        "num_iterations": training.iterations,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": training.schedule,
        "warmup_steps": training.warmup_steps,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_gradient_norm,
        "beta": training.kl,
        "epsilon": training.clip,
        "epsilon_high": training.clip_high,
        "loss_type": training.loss,
        "bf16": on_gpu and training.precision == "bf16",
        "use_cpu": not on_gpu,
        "gradient_checkpointing": training.gradient_checkpointing,
        "dataloader_pin_memory": on_gpu,
        "model_init_kwargs": _model(config),
        "chat_template_kwargs": config.model.chat_template_arguments,
    }


def _model(config: TrainerConfig) -> dict[str, Any]:
    attention = config.model.attention
    return {"dtype": config.model.dtype} | ({"attn_implementation": attention} if attention else {})


def _rollouts(config: TrainerConfig) -> dict[str, Any]:
    rollouts = config.rollouts
    arguments: dict[str, Any] = {
        "temperature": rollouts.temperature,
        "top_p": rollouts.top_p,
        "max_completion_length": rollouts.max_tokens,
        "use_vllm": rollouts.engine.type != "transformers",
    }
    match rollouts.engine:
        case VllmColocate() as engine:
            arguments |= {
                "vllm_mode": "colocate",
                "vllm_gpu_memory_utilization": engine.gpu_memory_utilization,
                "vllm_tensor_parallel_size": engine.tensor_parallel,
                "vllm_max_model_length": engine.max_model_length,
                "vllm_enable_sleep_mode": engine.sleep,
            }
        case VllmServer() as engine:
            arguments |= {
                "vllm_mode": "server",
                "vllm_server_base_url": engine.url,
                "vllm_server_timeout": engine.timeout_seconds,
            }
    return arguments


def _evaluation(config: TrainerConfig, resuming: bool) -> dict[str, Any]:
    if config.evaluation is None:
        return {"eval_strategy": "no"}
    samples = config.evaluation.samples
    return {
        "eval_strategy": "steps",
        "eval_steps": config.evaluation.every,
        "eval_on_start": not resuming,
        "num_generations_eval": samples,
        "per_device_eval_batch_size": samples,  # TRL wants a multiple; `held_out` does not batch by it
    }


def _bookkeeping(config: TrainerConfig) -> dict[str, Any]:
    return {
        "output_dir": str(config.output),
        "seed": config.seed,
        "save_strategy": "steps",
        "save_steps": config.checkpoints.every,
        "save_total_limit": config.checkpoints.keep,
        # The rows that the data loader gives are replaced by those of the selected tasks.
        "ignore_data_skip": True,
    }
