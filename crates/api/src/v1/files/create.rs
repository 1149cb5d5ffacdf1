//! `POST /v1/files`

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use files::{FilesError, Incoming, NewFile, Owner, uploaded_purpose};
use http::{HeaderMap, Request, header};
use store::FilePurpose;
use utoipa::ToSchema;

use super::{ExpiresAfter, File, owner};
use crate::App;
use crate::multipart::{Field, Multipart};
use crate::openapi::ErrorEnvelope;
use crate::organization::nearest::did_you_mean;
use crate::problem::Problem;
use crate::v1::caller::Caller;

/// Bytes of a field that is no file at most.
const SHORT: usize = 256;
/// Bytes that a form may have around its file.
const AROUND: u64 = 64 * 1024;

const FILE: &str = "file";
const PURPOSE: &str = "purpose";
const ANCHOR: &str = "expires_after[anchor]";
const SECONDS: &str = "expires_after[seconds]";

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `create` reads")]
struct FileForm {
    /// The file itself.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What it is for: `assistants`, `batch`, `fine-tune`, `vision`, `user_data` or `evals`.
    purpose: String,
    /// When it goes. It never lives longer than the project's data retention allows.
    #[schema(nullable = false)]
    expires_after: Option<ExpiresAfter>,
}

/// Upload a file. It is sealed as it comes, and kept for the project alone.
#[utoipa::path(
    post,
    path = "/v1/files",
    operation_id = "createFile",
    tag = "Files",
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file.", body = File),
        (status = "4XX", description = "What is wrong with the request, and how to mend it.", body = ErrorEnvelope),
        (status = "5XX", description = "The database or the blob store does not answer.", body = ErrorEnvelope),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    request: Request<Body>,
) -> Result<Json<File>, Problem> {
    let (parts, body) = request.into_parts();
    refuse_by_head(&app, &parts.headers)?;
    let owner = owner(&caller);
    let mut form = Multipart::new(&parts.headers, body, app.body_timeout)?;
    let mut asked = Asked::default();
    // Its fields come in any order: what the file is for may be said behind it.
    while let Some(field) = form.next_field().await? {
        asked.take(&app, &owner, &mut form, &field).await?;
    }
    let (incoming, new) = asked.complete()?;
    Ok(Json(incoming.finish(new).await?.into()))
}

/// What has come of the form.
#[derive(Default)]
struct Asked {
    file: Option<(Incoming, String)>,
    purpose: Option<FilePurpose>,
    anchor: Option<String>,
    seconds: Option<u64>,
}

impl Asked {
    async fn take(
        &mut self,
        app: &App,
        owner: &Owner,
        form: &mut Multipart,
        field: &Field,
    ) -> Result<(), Problem> {
        let again = match field.name.as_str() {
            FILE => {
                let name = field.filename.clone().ok_or_else(no_filename)?;
                let mut incoming = app.files.writer(owner).await?;
                while let Some(piece) = form.chunk().await? {
                    incoming.write(&piece).await?;
                }
                self.file.replace((incoming, name)).is_some()
            }
            PURPOSE => {
                let purpose = uploaded_purpose(&form.text(field, SHORT).await?)?;
                self.purpose.replace(purpose).is_some()
            }
            ANCHOR => {
                let anchor = form.text(field, SHORT).await?;
                self.anchor.replace(anchor).is_some()
            }
            SECONDS => {
                let text = form.text(field, SHORT).await?;
                let seconds = text.parse().map_err(|_| {
                    Problem::invalid(SECONDS, format!("`{SECONDS}` must be a whole number"))
                })?;
                self.seconds.replace(seconds).is_some()
            }
            unknown => return Err(no_such_field(unknown)),
        };
        if again {
            let message = format!("`{}` is given more than once", field.name);
            return Err(Problem::invalid(&field.name, message));
        }
        Ok(())
    }

    fn complete(self) -> Result<(Incoming, NewFile), Problem> {
        let required = |name| Problem::invalid(name, format!("'{name}' is a required property"));
        let expires_after = match (self.anchor.as_deref(), self.seconds) {
            (None, None) => None,
            (Some("created_at"), Some(seconds)) => Some(Duration::from_secs(seconds)),
            _ => {
                let message =
                    format!("expires_after needs `{ANCHOR}` = created_at and `{SECONDS}`");
                return Err(Problem::invalid("expires_after", message));
            }
        };
        let (incoming, filename) = self.file.ok_or_else(|| required(FILE))?;
        let purpose = self.purpose.ok_or_else(|| required(PURPOSE))?;
        Ok((incoming, NewFile { filename, purpose, expires_after }))
    }
}

/// What the head alone shows need not be sent at all.
fn refuse_by_head(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    let limit = app.files.max_file_bytes();
    if length.is_some_and(|length| length > limit.saturating_add(AROUND)) {
        return Err(FilesError::TooLarge { limit }.into());
    }
    Ok(())
}

fn no_filename() -> Problem {
    Problem::invalid(FILE, "'file' must be a file; send it with a filename")
}

fn no_such_field(name: &str) -> Problem {
    let name: String = name.chars().take(100).collect();
    let hint = did_you_mean(&name, [FILE, PURPOSE, ANCHOR, SECONDS].into_iter());
    Problem::invalid(&name, format!("unknown field `{name}`{hint}"))
}
