"""The desk's tables on Supabase, reached through PostgREST; wire names appear only in this folder and in sql/."""
