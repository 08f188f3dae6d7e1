//! Whether a program runs on any kernel of its architecture, with nothing installed beside it.

use anyhow::{Context, Result, ensure};

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const MACHINE_X86_64: u16 = 62;

/// Checks that the bytes are a program for x86_64 Linux that asks for no loader and no shared library.
pub fn check_static(program: &[u8]) -> Result<()> {
    ensure!(program.starts_with(b"\x7fELF"), "it is no ELF file");
    ensure!(
        program.get(4..6) == Some(&[2, 1]),
        "it is not of 64 bits, little endian"
    );
    let machine = u16::from_le_bytes(field(program, 18)?);
    ensure!(
        machine == MACHINE_X86_64,
        "it is for machine {machine}, not for x86_64"
    );

    let headers = u64::from_le_bytes(field(program, 32)?);
    let size = u16::from_le_bytes(field(program, 54)?);
    let count = u16::from_le_bytes(field(program, 56)?);
    ensure!(count > 0, "it has no program headers");
    for index in 0..u64::from(count) {
        let header = usize::try_from(headers + index * u64::from(size))?;
        match u32::from_le_bytes(field(program, header)?) {
            PT_INTERP => anyhow::bail!("it asks for a loader, so it is not static"),
            PT_DYNAMIC => {
                let offset = usize::try_from(u64::from_le_bytes(field(program, header + 8)?))?;
                let length = usize::try_from(u64::from_le_bytes(field(program, header + 32)?))?;
                let table = program
                    .get(offset..offset + length)
                    .context("its dynamic table is cut off")?;
                for entry in table.chunks_exact(16) {
                    let tag = u64::from_le_bytes(field(entry, 0)?);
                    ensure!(
                        tag != DT_NEEDED,
                        "it asks for a shared library, so it is not static"
                    );
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes `N` bytes at an offset.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    let end = offset.checked_add(N).context("an offset is too large")?;
    let field = bytes
        .get(offset..end)
        .with_context(|| format!("it ends before byte {end}"))?;
    Ok(field.try_into()?)
}
