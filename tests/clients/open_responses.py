"""The shapes that the Open Responses specification (2026-04-24) asks for, as far as this server
answers with them. A field without a default must be there, `null` or not; none may have another
type."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class LogProb(Shape):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[dict] = []


class OutputText(Shape):
    type: Literal["output_text"]
    text: str
    annotations: list[dict]
    logprobs: list[LogProb] = []


class Refusal(Shape):
    type: Literal["refusal"]
    refusal: str


class Text(Shape):
    type: Literal["input_text", "text", "summary_text", "reasoning_text"]
    text: str


class Image(Shape):
    type: Literal["input_image"]
    image_url: str | None
    detail: Literal["low", "high", "auto"]


Part = Annotated[OutputText | Refusal | Text | Image, Field(discriminator="type")]


class Message(Shape):
    type: Literal["message"]
    id: str
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["user", "assistant", "system", "developer"]
    content: list[Part]
    phase: Literal["commentary", "final_answer"] = "final_answer"


class FunctionCall(Shape):
    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Literal["in_progress", "completed", "incomplete"]


class FunctionCallOutput(Shape):
    type: Literal["function_call_output"]
    id: str
    call_id: str
    output: str | list[Part]
    status: Literal["in_progress", "completed", "incomplete"]


class Reasoning(Shape):
    type: Literal["reasoning"]
    id: str
    summary: list[Text]
    content: list[Text] = []
    encrypted_content: str = ""


class Compaction(Shape):
    type: Literal["compaction"]
    id: str
    encrypted_content: str


Item = Annotated[
    Message | FunctionCall | FunctionCallOutput | Reasoning | Compaction, Field(discriminator="type")
]


class Error(Shape):
    code: str
    message: str


class Function(Shape):
    type: Literal["function"]
    name: str
    description: str | None
    parameters: dict | None
    strict: bool | None


class NamedTool(Shape):
    type: Literal["function"]
    name: str


class AllowedTools(Shape):
    type: Literal["allowed_tools"]
    tools: list[NamedTool]
    mode: Literal["none", "auto", "required"]


class Format(Shape):
    type: Literal["text", "json_object", "json_schema"]


class TextConfig(Shape):
    format: Format
    verbosity: Literal["low", "medium", "high"] = "medium"


class ReasoningConfig(Shape):
    effort: Literal["none", "low", "medium", "high", "xhigh"] | None
    summary: Literal["concise", "detailed", "auto"] | None


class InputDetails(Shape):
    cached_tokens: int


class OutputDetails(Shape):
    reasoning_tokens: int


class Usage(Shape):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails
    output_tokens_details: OutputDetails


class IncompleteDetails(Shape):
    reason: str


class Response(Shape):
    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: str
    incomplete_details: IncompleteDetails | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[Item]
    error: Error | None
    tools: list[Function]
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: TextConfig
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    temperature: float
    reasoning: ReasoningConfig | None
    usage: Usage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: Any
    safety_identifier: str | None
    prompt_cache_key: str | None


class Compacted(Shape):
    id: str
    object: Literal["response.compaction"]
    output: list[Item]
    created_at: int
    usage: Usage


class Event(Shape):
    type: str
    sequence_number: int


class Snapshot(Event):
    type: Literal[
        "response.created", "response.queued", "response.in_progress", "response.completed",
        "response.failed", "response.incomplete",
    ]
    response: Response


class ItemEvent(Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: int
    item: Item


class InItem(Event):
    item_id: str
    output_index: int


class InContent(InItem):
    content_index: int


class InSummary(InItem):
    summary_index: int


class PartEvent(InContent):
    type: Literal["response.content_part.added", "response.content_part.done"]
    part: Part


class SummaryPartEvent(InSummary):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    part: Part


class ContentDelta(InContent):
    type: Literal["response.output_text.delta", "response.refusal.delta", "response.reasoning_text.delta"]
    delta: str
    logprobs: list[LogProb] = []


class TextDone(InContent):
    type: Literal["response.output_text.done", "response.reasoning_text.done"]
    text: str
    logprobs: list[LogProb] = []


class RefusalDone(InContent):
    type: Literal["response.refusal.done"]
    refusal: str


class SummaryDelta(InSummary):
    type: Literal["response.reasoning_summary_text.delta"]
    delta: str


class SummaryDone(InSummary):
    type: Literal["response.reasoning_summary_text.done"]
    text: str


class ArgumentsDelta(InItem):
    type: Literal["response.function_call_arguments.delta"]
    delta: str


class ArgumentsDone(InItem):
    type: Literal["response.function_call_arguments.done"]
    arguments: str


class AnnotationAdded(InContent):
    type: Literal["response.output_text.annotation.added"]
    annotation_index: int
    annotation: dict | None


class SocketErrorDetails(Shape):
    code: str | None = None
    message: str
    type: str = "invalid_request_error"
    param: str | None = None


class SocketError(Shape):
    type: Literal["error"]
    status: int
    error: SocketErrorDetails


EVENTS: TypeAdapter = TypeAdapter(
    Annotated[
        Snapshot | ItemEvent | PartEvent | SummaryPartEvent | ContentDelta | TextDone | RefusalDone
        | SummaryDelta | SummaryDone | ArgumentsDelta | ArgumentsDone | AnnotationAdded | SocketError,
        Field(discriminator="type"),
    ]
)
