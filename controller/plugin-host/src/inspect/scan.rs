//! One walk through a file, module by module and component by component.

use std::ops::ControlFlow;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentCanonicalSectionReader, CompositeInnerType, Encoding,
    FunctionBody, Parser, Payload, TypeSectionReader,
};

use super::code::{self, Arity, Signatures};
use super::error::InspectError;

/// Core modules of a component: the plugin's, and the two that the encoder sets beside it, and one to spare.
pub(super) const MODULES: usize = 4;
/// Functions of all modules: a plugin of usual size has a few hundred.
pub(super) const FUNCTIONS: u32 = 20_000;
/// Bytes of a page of memory.
const PAGE: u64 = 64 << 10;

/// What a component names to the outside.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Walks through `bytes`, a core module or a component.
pub(super) fn scan(bytes: &[u8], memory_bytes: u64) -> Result<Names, InspectError> {
    let mut walk = Walk {
        memory_bytes,
        ..Walk::default()
    };
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(InspectError::Malformed)?;
        if walk.step(payload)?.is_break() {
            break;
        }
    }
    Ok(walk.names)
}

/// Where the walk is.
#[derive(Default)]
struct Walk {
    memory_bytes: u64,
    /// The modules and components that are open, outermost first.
    open: Vec<Scope>,
    modules: usize,
    functions: u32,
    names: Names,
}

/// A module or component that is open.
enum Scope {
    Component,
    Module(Box<Module>),
}

#[derive(Default)]
struct Module {
    signatures: Signatures,
    next_body: u32,
}

impl Walk {
    fn step(&mut self, payload: Payload<'_>) -> Result<ControlFlow<()>, InspectError> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(encoding)?,
            Payload::End(_) => {
                self.open.pop();
                if self.open.is_empty() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Payload::TypeSection(types) => self.types(types)?,
            Payload::FunctionSection(functions) => {
                if let Some(module) = self.module() {
                    for index in functions {
                        module
                            .signatures
                            .function(index.map_err(InspectError::Malformed)?);
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memory(memory.map_err(InspectError::Malformed)?.initial)?;
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(count);
                if self.functions > FUNCTIONS {
                    return Err(InspectError::TooManyFunctions);
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::ComponentCanonicalSection(functions) => canonical(functions)?,
            Payload::ComponentImportSection(imports) if self.open.len() == 1 => {
                for import in imports {
                    let name = import.map_err(InspectError::Malformed)?.name.name;
                    self.names.imports.push(name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if self.open.len() == 1 => {
                for export in exports {
                    let name = export.map_err(InspectError::Malformed)?.name.name;
                    self.names.exports.push(name.to_owned());
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), InspectError> {
        match encoding {
            Encoding::Component => self.open.push(Scope::Component),
            Encoding::Module => {
                // The outermost component may have modules; those within it may not.
                if self.open.len() > 1 {
                    return Err(InspectError::ModuleInNested);
                }
                self.modules = self.modules.saturating_add(1);
                if self.modules > MODULES {
                    return Err(InspectError::TooManyModules);
                }
                self.open.push(Scope::Module(Box::default()));
            }
        }
        Ok(())
    }

    fn module(&mut self) -> Option<&mut Module> {
        match self.open.last_mut() {
            Some(Scope::Module(module)) => Some(module),
            _ => None,
        }
    }

    fn types(&mut self, types: TypeSectionReader<'_>) -> Result<(), InspectError> {
        let Some(module) = self.module() else {
            return Ok(());
        };
        for group in types {
            for kind in group.map_err(InspectError::Malformed)?.types() {
                module.signatures.kind(match &kind.composite_type.inner {
                    CompositeInnerType::Func(function) => Arity::of(function),
                    _ => Arity::default(),
                });
            }
        }
        Ok(())
    }

    fn memory(&self, pages: u64) -> Result<(), InspectError> {
        let bytes = pages.saturating_mul(PAGE);
        let limit = self.memory_bytes;
        if bytes > limit {
            return Err(InspectError::MemoryTooLarge { bytes, limit });
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), InspectError> {
        let Some(module) = self.module() else {
            return Ok(());
        };
        let function = module.next_body;
        module.next_body = function.saturating_add(1);
        code::check(body, function, &module.signatures)
    }
}

/// Only plain functions and texts in UTF-8: everything else of the component model is where its faults have been.
fn canonical(functions: ComponentCanonicalSectionReader<'_>) -> Result<(), InspectError> {
    for function in functions {
        match function.map_err(InspectError::Malformed)? {
            CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
                options.iter().copied().try_for_each(canonical_option)?;
            }
            _ => {
                return Err(InspectError::Unsupported {
                    found: "a resource, task, stream or thread",
                });
            }
        }
    }
    Ok(())
}

fn canonical_option(option: CanonicalOption) -> Result<(), InspectError> {
    match option {
        CanonicalOption::UTF8
        | CanonicalOption::Memory(_)
        | CanonicalOption::Realloc(_)
        | CanonicalOption::PostReturn(_) => Ok(()),
        CanonicalOption::UTF16 => Err(InspectError::Encoding { found: "UTF-16" }),
        CanonicalOption::CompactUTF16 => Err(InspectError::Encoding {
            found: "Latin-1 or UTF-16",
        }),
        CanonicalOption::Async | CanonicalOption::Callback(_) => Err(InspectError::Unsupported {
            found: "an asynchronous function",
        }),
        CanonicalOption::CoreType(_) | CanonicalOption::Gc => Err(InspectError::Unsupported {
            found: "garbage-collected values",
        }),
    }
}
